//! The recipe of docs/rooms.md for three servers, as it is written there: only addresses and directories are those of the test.

use std::net::Ipv4Addr;
use std::path::Path;

use super::house::{directory, nowhere, secret, talk};
use super::member::{Kind, Member, endpoints};
use super::server::{Server, versions};
use crate::harness::Daemon;
use crate::harness::program::{Program, command};
use crate::tls_client::write;

const DOCUMENT: &str = include_str!("../../../docs/rooms.md");
const SECTION: &str = "## Three servers, so that one may fail";

/// The indented block of the section that has this text.
fn block(text: &str) -> String {
    let (_, section) = DOCUMENT.split_once(SECTION).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let is_code =
        |paragraph: &&str| paragraph.lines().all(|line| line.is_empty() || line.starts_with("    "));
    let mut blocks = section.split("\n\n").filter(is_code).filter(|block| block.contains(text));
    let block = blocks.next().unwrap_or_else(|| panic!("no block with {text:?}"));
    // An empty line within a block begins a new paragraph, as far as this reader knows.
    let from = section.find(block).unwrap();
    let rest = section[from..].lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    rest.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The servers' names, and their addresses here.
fn names() -> [(&'static str, Ipv4Addr); 3] {
    ["n1", "n2", "n3"].map(|name| (name, nowhere()))
}

fn with_addresses(text: &str, names: &[(&str, Ipv4Addr)]) -> String {
    let mut text = text.to_owned();
    for (name, ip) in names {
        for (before, after) in [("//", ":"), ("//", "\""), ("@", ":")] {
            text = text.replace(&format!("{before}{name}{after}"), &format!("{before}{ip}{after}"));
        }
    }
    text
}

/// Runs the command that makes the certificates, in a directory.
fn make_certificates(path: &Path, names: &[(&str, Ipv4Addr)]) -> (String, String, String) {
    let typed = block("ipcctl certificate");
    let words: Vec<&str> = typed.split_whitespace().skip(1).collect();
    let of = |word: &&str| names.iter().find(|(name, _)| name == word).map(|(_, ip)| ip.to_string());
    let words: Vec<String> =
        words.iter().map(|word| of(word).unwrap_or_else(|| (*word).to_owned())).collect();
    let mut all = words.iter().map(String::as_str).collect::<Vec<_>>();
    all.extend(["--directory", path.to_str().unwrap()]);
    let made = Program::run(command(env!("CARGO_BIN_EXE_ipcctl"), all), "");
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| {
        let name = name.replace("n1", &names[0].1.to_string());
        std::fs::read_to_string(path.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for name in ["server-n1.pem", "server-n1-key.pem", "ca.pem"] {
        assert!(DOCUMENT.contains(&format!("`{name}`")), "the document says where {name} goes");
    }
    (read("server-n1.pem"), read("server-n1-key.pem"), read("ca.pem"))
}

fn begin(names: &[(&str, Ipv4Addr)], authority: &str) -> Daemon {
    let test_dir = directory();
    let path = test_dir.directory.path();
    write(&path.join("nats-ca.pem"), authority);
    let credentials = block("token = ");
    let token = credentials.lines().find(|line| line.starts_with("token")).unwrap();
    secret(&path.join("nats.token"), token);
    let nats = block("[nats]").replace("/etc/ipcd/tls/", "{dir}/").replace("/etc/ipcd/", "{dir}/");
    let (nats, chat) = nats.split_once("[chat]").expect("both tables");
    test_dir.serve(&format!("{}\n{}", with_addresses(nats, names), endpoints(chat)))
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn three_servers_of_the_recipe_keep_the_room_when_one_fails() {
    // The newest, as the recipe says.
    let version = versions().pop().unwrap();
    let names = names();
    let made = tempfile::tempdir().unwrap();
    let (certificate, key, authority) = make_certificates(made.path(), &names);
    let file = with_addresses(&block("server_name: n1"), &names);
    let mut servers = Vec::new();
    for (name, ip) in &names {
        let mut server = Server::as_written(&version, *ip);
        let text = file.replace("server_name: n1", &format!("server_name: {name}"));
        let text = text.replace("0.0.0.0", &ip.to_string());
        server.write("certificate.pem", &certificate);
        server.write("key.pem", &key);
        server.write("nats.conf", &server.with_directories(&text, "/etc/nats", "/var/lib/nats"));
        server.start();
        servers.push(server);
    }
    let daemons: Vec<Daemon> = (0..3).map(|_| begin(&names, &authority)).collect();
    daemons.iter().for_each(|daemon| _ = daemon.wait_for_log("the room is whole"));
    let mut members: Vec<Member> = daemons
        .iter()
        .zip(["ann", "bob", "cat"])
        .map(|(daemon, name)| Member::join(daemon, Kind::Tcp, name))
        .collect();
    for member in &members[..2] {
        member.wait_for("cat has joined the chat!");
    }
    talk(&mut members, "all three", 5);
    servers[0].kill();
    talk(&mut members, "two of three", 5);
    servers[0].start();
    talk(&mut members, "again", 5);
    talk(&mut members, "the end", 1);
    let ends = ["ann", "bob", "cat"].map(|name| format!("{name}: the end 0 of {name}"));
    for member in &members {
        ends.iter().for_each(|end| member.wait_for(end));
    }
    let said = |member: &Member| {
        let is_said = |line: &String| ["ann: ", "bob: ", "cat: "].iter().any(|name| line.starts_with(name));
        member.lines().into_iter().filter(is_said).collect::<Vec<_>>()
    };
    let first = said(&members[0]);
    assert_eq!(first.len(), 3 * 16, "{first:#?}");
    members[1..].iter().for_each(|member| assert_eq!(said(member), first, "{}", member.name));
    // Whoever has not the token is not let in, and neither is one that expects another authority.
    let test_dir = directory();
    let path = test_dir.directory.path();
    let nats = with_addresses(&block("[nats]"), &names).replace("/etc/ipcd/tls/nats-ca.pem", "{dir}/ca.pem");
    secret(&path.join("nats.token"), "token = \"another\"");
    let (nats, _) = nats.split_once("[chat]").unwrap();
    let nats = nats.replace("/etc/ipcd/", "{dir}/");
    let stranger = test_dir.serve(&format!("{nats}\n{}", endpoints("room = \"class 7b\"")));
    stranger.wait_for_log("nats: no connection to tls://");
    let log = stranger.stop();
    assert!(log.iter().any(|line| line.contains("certificate")), "{log:#?}");
}
