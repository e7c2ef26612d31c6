//! Proxies that speak TLS for a server that has none. Each runs one process with one thread for the connections, TLS 1.3 and
//! tickets,
//! and keeps no log.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use super::{Environment, Peer, Service, sbin};
use crate::endpoint::Endpoint;

const SUITE: &str = "TLS_AES_256_GCM_SHA384";

/// The command that starts a proxy, which forwards everything to the server at `behind`.
pub fn command(
    peer: Peer,
    service: Service,
    endpoint: &Endpoint,
    behind: &Endpoint,
    environment: &Environment,
) -> Result<Command> {
    let (Endpoint::Tls(port), Endpoint::Tcp(behind)) = (endpoint, behind) else {
        bail!("it speaks TLS to those who connect, and none to those behind it");
    };
    let files = &environment.certificate;
    let (both, certificate, key) = (files.both.display(), files.certificate.display(), files.key.display());
    let clients = environment.descriptors / 2 - 100;
    let directory = environment.directory.display();
    let (program, options, text) = match peer {
        Peer::Haproxy => (
            "haproxy",
            &["-db", "-f"][..],
            format!(
                "global\n maxconn {clients}\n nbthread 1\n tune.ssl.default-dh-param 2048\n\
             defaults\n mode tcp\n timeout connect 20s\n timeout client 1h\n timeout server 1h\n\
             frontend f\n bind 127.0.0.1:{port} ssl crt {both} ssl-min-ver TLSv1.3 ciphersuites {SUITE} curves X25519 backlog 4096\n \
             default_backend b\n\
             backend b\n server s 127.0.0.1:{behind}\n"
            ),
        ),
        Peer::Nginx => (
            "nginx",
            &["-p", "/tmp", "-c"][..],
            format!(
                "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\nuser root;\ndaemon off;\nmaster_process off;\n\
             pid {directory}/nginx-{port}.pid;\nerror_log /dev/null;\nworker_rlimit_nofile {};\n\
             events {{ worker_connections {clients}; }}\n\
             stream {{\n tcp_nodelay on;\n server {{\n listen 127.0.0.1:{port} ssl backlog=4096;\n \
             ssl_certificate {certificate};\n ssl_certificate_key {key};\n ssl_protocols TLSv1.3;\n \
             ssl_ecdh_curve X25519;\n ssl_session_tickets on;\n proxy_timeout 1h;\n proxy_pass 127.0.0.1:{behind};\n }}\n}}\n",
                environment.descriptors
            ),
        ),
        Peer::Stunnel => (
            "stunnel4",
            &[][..],
            format!(
                "foreground = yes\npid =\ndebug = 0\nsyslog = no\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n\
             [s]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{behind}\ncert = {certificate}\nkey = {key}\n\
             sslVersionMin = TLSv1.3\nciphersuites = {SUITE}\ncurves = X25519\nTIMEOUTclose = 0\n"
            ),
        ),
        other => bail!("{} serves by itself", other.title()),
    };
    let file = environment.directory.join(format!("{program}-{}-{port}.conf", service.name()));
    fs::write(&file, text)?;
    let mut command = Command::new(sbin(program));
    command.args(options).arg(file);
    Ok(command)
}
