use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Group};
use rustix::net::{accept, sockopt};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::*;
use crate::endpoint::UNIX_PATH_BYTES_MAX;
use crate::engine::message::RemoteAddress;
use crate::transport::owner::{self, PortOwner};
use crate::transport::sockopt::{RECEIVE_BYTES_MIN, UNIX_SEND_BYTES};

fn options() -> Options {
    Options {
        backlog: 16,
        share_port: false,
        mode: 0o660,
        group: String::new(),
        message_bytes: 0,
        message_timeout: std::time::Duration::ZERO,
        make_directory: None,
    }
}

fn tcp_at(address: &str) -> ResolvedEndpoint {
    ResolvedEndpoint::Tcp(address.parse().unwrap())
}

/// A directory, and a place for a socket in it.
fn at_s() -> (TempDir, PathBuf, ResolvedEndpoint) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    (directory, path.clone(), ResolvedEndpoint::Unix(path))
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn refused(place: &ResolvedEndpoint) -> OpenError {
    open(place, &options()).expect_err("refused")
}

#[test]
fn connection_inside_the_machine_has_nodelay_and_no_keepalive() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = open(&tcp_at(address), &options()).unwrap().listener;
        let to = SocketAddr::new(address.parse::<SocketAddr>().unwrap().ip(), listener.local_port().unwrap());
        assert_eq!(listener.accept("").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        listener.set_receive_bytes(RECEIVE_BYTES_MIN).unwrap();
        let mut peer = TcpStream::connect(to).unwrap();
        let (connection, remote) = listener.accept("").unwrap();
        assert_eq!(remote, RemoteAddress::Address(peer.local_addr().unwrap()));
        assert!(sockopt::tcp_nodelay(&connection).unwrap());
        assert!(!sockopt::socket_keepalive(&connection).unwrap(), "it would only cost wake-ups");
        assert_eq!(sockopt::socket_recv_buffer_size(&connection).unwrap(), 2 * RECEIVE_BYTES_MIN);
        assert_eq!(sockopt::tcp_congestion(&connection).unwrap(), "reno");
        assert_eq!(connection.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        peer.write_all(b"x").unwrap();
        listener.set_backlog(32).unwrap();
        assert_eq!(listener.set_permissions(0o600, "").unwrap(), [""; 0]);
    }
}

#[test]
fn congestion_control_of_remote_peers_is_the_systems() {
    let usual = fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap();
    let listener = open(&tcp_at("0.0.0.0:0"), &options()).unwrap().listener;
    assert_eq!(sockopt::tcp_congestion(&listener).unwrap(), usual.trim());
}

#[test]
fn both_families_can_share_a_port() {
    // A port that is free for IPv6 may be in use for IPv4.
    let both = || {
        let v6 = open(&tcp_at("[::]:0"), &options()).unwrap().listener;
        assert!(sockopt::ipv6_v6only(&v6).unwrap());
        open(&tcp_at(&format!("0.0.0.0:{}", v6.local_port().unwrap())), &options())
    };
    let refusals: Vec<_> = std::iter::repeat_with(both).map_while(Result::err).take(100).collect();
    assert!(refusals.len() < 100 && refusals.iter().all(OpenError::is_in_use), "{refusals:?}");
}

#[test]
fn port_in_use_names_its_holder_and_the_remedy() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let error = refused(&ResolvedEndpoint::Tcp(address));
    assert!(error.is_in_use());
    assert_eq!(
        format!("{error} under [multiply] in /etc/ipcd/ipcd.toml"),
        format!(
            "tcp://{address}: address already in use (by a socket that this process inherited); pass \
             it with LISTEN_PID (see ipcd(8)) or choose another port under [multiply] in /etc/ipcd/ipcd.toml"
        )
    );
}

#[test]
fn port_of_a_connection_that_has_just_ended_is_in_use_by_nobody() {
    // Its address is its own: other clients on 127.0.0.1 may have the same port.
    let listener = TcpListener::bind("127.61.7.3:0").unwrap();
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    client.bind(&SocketAddr::from(([127, 61, 7, 4], 0)).into()).unwrap();
    client.connect(&listener.local_addr().unwrap().into()).unwrap();
    let address = client.local_addr().unwrap().as_socket().unwrap();
    let (mut server, _) = listener.accept().unwrap();
    drop(client);
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
    drop(server);
    let error = refused(&ResolvedEndpoint::Tcp(address));
    assert!(error.is_in_use());
    assert_eq!(
        error.to_string(),
        format!(
            "tcp://{address}: address already in use; stop what uses it, wait a minute if it was a connection, or choose \
             another port"
        )
    );
}

#[test]
fn each_error_names_its_object_and_remedy() {
    let tcp = tcp_at("127.0.0.1:80");
    let unix = ResolvedEndpoint::Unix(PathBuf::from("/run/s"));
    let owner = Some(PortOwner { pid: 4711, name: "python3".to_owned() });
    let denied = || io::Error::from(Errno::ACCESS);
    for (place, kind, text) in [
        (
            &tcp,
            OpenErrorKind::InUse { owner: owner.clone() },
            "tcp://127.0.0.1:80: address already in use (by pid 4711, python3); stop it or choose another port",
        ),
        (
            &tcp,
            OpenErrorKind::InUse { owner: None },
            "tcp://127.0.0.1:80: address already in use; stop what uses it, wait a minute if it was a connection, or choose another port",
        ),
        (
            &tcp,
            OpenErrorKind::on_network("127.0.0.1:80".parse().unwrap(), denied(), owner::of_tcp),
            "tcp://127.0.0.1:80: permission denied: a port below 1024 needs privileges; let systemd open it \
             (ipcd.socket, see ipcd(8)) or choose a port from 1024 on",
        ),
        (
            &unix,
            OpenErrorKind::InUse { owner },
            "unix:///run/s: address already in use (by pid 4711, python3); stop it or choose another path",
        ),
        (
            &unix,
            OpenErrorKind::Locked { owner: None },
            "unix:///run/s: address already in use (by another ipcd); stop it or choose another path",
        ),
        (
            &unix,
            OpenErrorKind::in_directory_of(Path::new("/run/s"), Errno::ACCESS),
            "unix:///run/s: cannot write in the directory /run: permission denied; \
             allow ipcd's user to write there or choose another path",
        ),
        (
            &unix,
            OpenErrorKind::Other(Errno::MFILE.into()),
            "unix:///run/s: cannot be opened: too many open files; raise the limit on open files \
             (LimitNOFILE=, ulimit -n) or list fewer endpoints",
        ),
    ] {
        assert_eq!(OpenError { place: place.clone(), kind }.to_string(), text);
    }
}

#[test]
fn address_of_another_machine_is_reported() {
    let error = refused(&tcp_at("192.0.2.1:65432"));
    assert!(error.is_address_missing());
    assert_eq!(
        error.to_string(),
        "tcp://192.0.2.1:65432: this machine does not have this address; \
         choose one that `ip address` shows, or 0.0.0.0 or [::]"
    );
}

#[test]
fn unix_socket_names_its_peer_and_leaves_no_file() {
    let (directory, path, place) = at_s();
    let opened = open(&place, &options()).unwrap();
    assert!(opened.warnings.is_empty());
    assert_eq!(names(&directory), ["s", "s.lock"]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o660);
    assert_eq!(fs::metadata(directory.path().join("s.lock")).unwrap().mode() & 0o7777, 0o600);

    let _peer = UnixStream::connect(&path).unwrap();
    let (connection, remote) = opened.listener.accept("").unwrap();
    assert_eq!(sockopt::socket_send_buffer_size(&connection).unwrap(), 2 * UNIX_SEND_BYTES);
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    assert_eq!(remote, RemoteAddress::Process { uid, gid, pid: std::process::id() });
    assert_eq!((opened.listener.place(), opened.listener.local_port()), (&place, None));

    drop(opened);
    assert!(names(&directory).is_empty());
}

#[test]
fn stale_socket_file_is_replaced() {
    let (directory, path, place) = at_s();
    for _ in 0..2 {
        drop(UnixListener::bind(&path).unwrap());
        drop(open(&place, &options()).unwrap());
    }
    drop(UnixDatagram::bind(&path).unwrap());
    drop(open(&place, &options()).unwrap());
    assert!(names(&directory).is_empty());
}

#[test]
fn live_socket_is_kept_and_its_holder_named() {
    let (directory, path, place) = at_s();
    let text = format!(
        "{place}: address already in use (by a socket that this process inherited); pass it with \
         LISTEN_PID (see ipcd(8)) or choose another path"
    );
    {
        let other = UnixListener::bind(&path).unwrap();
        assert_eq!(refused(&place).to_string(), text);
        // A full queue is a listener too.
        rustix::net::listen(&other, 0).unwrap();
        assert_eq!(refused(&place).to_string(), text);
        assert_eq!(refused(&place).to_string(), text);
        assert!(accept(&other).is_ok());
    }
    fs::remove_file(&path).unwrap();
    let _other = UnixDatagram::bind(&path).unwrap();
    assert_eq!(refused(&place).to_string(), text);
    assert_eq!(names(&directory), ["s"], "its file stays, our lock does not");
}

#[test]
fn anything_but_a_socket_is_never_removed() {
    let (directory, path, place) = at_s();
    let refused_for = |what: &str| {
        assert_eq!(
            refused(&place).to_string(),
            format!(
                "{place}: there is {what}, not a socket; \
                 move it away, if nobody needs it, or choose another path"
            )
        );
    };
    fs::write(&path, "precious").unwrap();
    refused_for("a regular file");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    refused_for("a directory");
    fs::remove_dir(&path).unwrap();

    // Also not where it leads to a socket, dead or alive.
    drop(UnixListener::bind(directory.path().join("dead")).unwrap());
    symlink("dead", &path).unwrap();
    refused_for("a symbolic link");
    assert_eq!(names(&directory), ["dead", "s"]);
}

#[test]
fn second_open_finds_the_first_and_changes_nothing() {
    let (directory, path, place) = at_s();
    let first = open(&place, &options()).unwrap();
    let second = refused(&place);
    assert!(second.is_in_use() && matches!(second.kind, OpenErrorKind::Locked { .. }));
    assert_eq!(names(&directory), ["s", "s.lock"]);
    UnixStream::connect(&path).unwrap();
    drop(first);
    open(&place, &options()).unwrap();
}

#[test]
fn exactly_one_of_many_opens_succeeds() {
    let (directory, path, place) = at_s();
    for stale in [false, true].repeat(20) {
        if stale {
            drop(UnixListener::bind(&path).unwrap());
        }
        let start = std::sync::Barrier::new(4);
        let open_at_once = || {
            start.wait();
            open(&place, &options())
        };
        let opened: Vec<_> = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..4).map(|_| scope.spawn(open_at_once)).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        assert_eq!(opened.iter().filter(|it| it.is_ok()).count(), 1);
        UnixStream::connect(&path).unwrap();
        drop(opened);
        assert!(names(&directory).is_empty());
    }
}

#[test]
fn foreign_file_at_our_path_is_not_removed() {
    let (directory, path, place) = at_s();
    let opened = open(&place, &options()).unwrap();
    fs::remove_file(&path).unwrap();
    fs::remove_file(directory.path().join("s.lock")).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    fs::write(directory.path().join("s.lock"), "").unwrap();
    assert_eq!(opened.listener.set_permissions(0o600, "").unwrap_err().kind(), io::ErrorKind::NotFound);
    drop(opened);
    assert_eq!(names(&directory), ["s", "s.lock"]);
}

#[test]
fn missing_directory_is_reported_or_made_and_removed() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("ipcd");
    let place = ResolvedEndpoint::Unix(directory.join("s"));
    assert_eq!(
        refused(&place).to_string(),
        format!(
            "{place}: directory {} does not exist; create it or choose another path",
            directory.display()
        )
    );

    let making = Options { make_directory: Some(directory.clone()), ..options() };
    let opened = open(&place, &making).unwrap();
    assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o755);
    drop(opened);
    assert!(names(&base).is_empty());

    // An existing directory stays; so does one that is not empty; a failed attempt leaves none.
    let opened = open(&place, &making).unwrap();
    fs::write(directory.join("note"), "").unwrap();
    drop(opened);
    drop(open(&place, &making).unwrap());
    assert_eq!(names(&base), ["ipcd"]);
    fs::remove_dir_all(&directory).unwrap();
    let elsewhere = ResolvedEndpoint::Unix(base.path().join("nowhere/s"));
    assert!(matches!(open(&elsewhere, &making).unwrap_err().kind, OpenErrorKind::MissingDirectory(_)));
    assert!(names(&base).is_empty());

    let deep = Options { make_directory: Some(base.path().join("a/b")), ..options() };
    let error = open(&ResolvedEndpoint::Unix(base.path().join("a/b/s")), &deep).unwrap_err();
    assert!(matches!(error.kind, OpenErrorKind::MissingDirectory(it) if it == base.path().join("a")));
}

#[test]
fn unwritable_directory_is_reported() {
    if rustix::process::geteuid().is_root() {
        return; // root may
    }
    let (directory, _, place) = at_s();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    assert!(matches!(refused(&place).kind, OpenErrorKind::DirectoryDenied(it, _) if it == directory.path()));
    let making = Options { make_directory: Some(directory.path().join("d")), ..options() };
    let inside = ResolvedEndpoint::Unix(directory.path().join("d/s"));
    let error = open(&inside, &making).unwrap_err();
    assert!(matches!(error.kind, OpenErrorKind::DirectoryDenied(it, _) if it == directory.path().join("d")));
}

#[test]
fn overlong_path_is_refused_before_anything_is_made() {
    let (directory, path, _) = at_s();
    let long = ResolvedEndpoint::Unix(path.with_file_name("x".repeat(108)));
    assert!(matches!(refused(&long).kind, OpenErrorKind::TooLong(bytes) if bytes > 108));
    assert!(names(&directory).is_empty());
    let most = UNIX_PATH_BYTES_MAX - directory.path().as_os_str().len() - 1;
    open(&ResolvedEndpoint::Unix(path.with_file_name("x".repeat(most))), &options()).unwrap();
}

#[test]
fn missing_group_is_a_warning_and_ours_is_used() {
    let (_directory, path, place) = at_s();
    let with = Options { group: "no-such-group".to_owned(), ..options() };
    let opened = open(&place, &with).unwrap();
    let ours = Group::from_gid(Gid::from_raw(fs::metadata(&path).unwrap().gid())).unwrap().unwrap();
    let warning = format!("{place}: group no-such-group does not exist; using group {}", ours.name);
    assert_eq!(opened.warnings, std::slice::from_ref(&warning));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o660);
    assert_eq!(opened.listener.set_permissions(0o666, "no-such-group").unwrap(), [warning]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o666);
}

#[test]
fn group_is_set_if_permitted_with_a_warning_otherwise() {
    let (_directory, path, place) = at_s();
    let ours = rustix::process::getegid().as_raw();
    let group = |gid| Group::from_gid(Gid::from_raw(gid)).unwrap().filter(|_| gid != ours);
    let Group { name, gid, .. } = (1..1000).find_map(group).expect("a machine has more than one group");
    let opened = open(&place, &Options { group: name.clone(), ..options() }).unwrap();
    let there = || fs::metadata(&path).map(|it| (it.mode() & 0o7777, it.gid())).unwrap();
    if opened.warnings.is_empty() {
        assert_eq!(there(), (0o660, gid.as_raw()));
        assert!(opened.listener.set_permissions(0o640, "").unwrap().is_empty());
        assert_eq!(there(), (0o640, ours));
    } else {
        assert!(opened.warnings[0].contains(&format!("cannot be given to group {name}")));
        assert_eq!(there(), (0o660, ours));
    }
}

#[test]
fn umask_is_restored() {
    let (directory, _, place) = at_s();
    // The mask belongs to the process, and other tests in it open sockets too: we compare it with the mask that the
    // parent has passed down, until they are equal.
    let parent = std::os::unix::process::parent_id();
    let status = fs::read_to_string(format!("/proc/{parent}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
    let expected = 0o666 & !u32::from_str_radix(mask.trim(), 8).unwrap();
    let _opened = open(&place, &options()).unwrap();
    let file = directory.path().join("after");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        fs::write(&file, "").unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        if mode == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{mode:o} is not {expected:o}");
        fs::remove_file(&file).unwrap();
        std::thread::yield_now();
    }
}

#[test]
fn inherited_socket_is_used_and_its_file_kept() {
    let (directory, path, place) = at_s();
    let theirs = UnixListener::bind(&path).unwrap();
    let listener = Listener::inherited(theirs.into(), place, true).unwrap();
    assert_eq!(listener.accept("").unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(listener);
    assert_eq!(names(&directory), ["s"]);

    // One for both families: a peer over IPv4 is an IPv4 peer.
    let both = TcpListener::bind("[::]:0").unwrap();
    let port = both.local_addr().unwrap().port();
    let listener = Listener::inherited(both.into(), tcp_at(&format!("[::]:{port}")), true).unwrap();
    let peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (connection, remote) = listener.accept("").unwrap();
    assert_eq!(remote, RemoteAddress::Address(peer.local_addr().unwrap()));
    assert!(sockopt::tcp_nodelay(&connection).unwrap());
}
