//! The hook in the examples with which certbot and acme.sh give a daemon its renewed certificate.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::harness::Daemon;

pub const HOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/examples/acme-deploy-hook");

/// Prepares a command that calls the hook for this daemon: where the files go, and a `systemctl` that knows one verb. Variables
/// about certificates are removed.
pub fn prepare(command: &mut Command, daemon: &Daemon) {
    let directory = daemon.directory.path();
    let tools = directory.join("bin");
    std::fs::create_dir_all(&tools).unwrap();
    let systemctl = tools.join("systemctl");
    let script = format!("#!/bin/sh\n[ \"$*\" = 'reload ipcd.service' ] && kill -HUP {}\n", daemon.pid());
    std::fs::write(&systemctl, script).unwrap();
    std::fs::set_permissions(&systemctl, std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["RENEWED_LINEAGE", "CERT_FULLCHAIN_PATH", "CERT_KEY_PATH"] {
        command.env_remove(name);
    }
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).env("IPCD_TLS", directory);
    command.env("IPCD_GROUP", rustix::process::getgid().as_raw().to_string());
}
