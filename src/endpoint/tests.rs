use super::*;

#[test]
fn encrypted_kinds_are_known_by_what_is_written() {
    for scheme in SCHEMES {
        let is_encrypted = ["tls", "https"].contains(&scheme.name);
        assert_eq!(Scheme::is_encrypted(&format!("{}://x", scheme.name)), is_encrypted, "{}", scheme.name);
    }
    assert!(!Scheme::is_encrypted("tls") && !Scheme::is_encrypted("tls+x://x"));
}

#[test]
fn endpoint_reads_back_as_it_is_written() {
    for text in [
        "tcp://127.0.0.1:65432",
        "tcp://[::1]:65432",
        "tcp://localhost:9999",
        "tcp://0.0.0.0:1",
        "unix:///run/ipcd/ipcd.sock",
        "unix://%t/ipcd/ipcd.sock",
        "udp://localhost:65432",
        "udp://[::]:5",
        "unixseq:///run/ipcd/seq",
        "unixgram://%t/ipcd/gram",
        "fifo://%t/ipcd/multiply",
        "mq:///multiply",
        "shm://%t/ipcd/multiply.shm",
        "shm:///board?semaphores&slots=4",
        "http://localhost:33080",
        "http+unix://%t/ipcd/page.sock",
    ] {
        assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), text);
    }
}

#[test]
fn encrypted_endpoint_is_read_only_where_tls_is_built_in() {
    for text in ["tls://[::1]:65433", "https://[::]:33443"] {
        let read = text.parse::<Endpoint>().map(|endpoint| endpoint.to_string());
        match cfg!(feature = "tls") {
            true => assert_eq!(read.as_deref(), Ok(text)),
            false => assert!(read.unwrap_err().contains("built without TLS"), "{text}"),
        }
    }
    for text in ["tls://localhost:0", "https://localhost:0"] {
        let error = text.parse::<Endpoint>().expect_err(text);
        assert!(
            error.contains(if cfg!(feature = "tls") { "1 to 65535" } else { "built without TLS" }),
            "{error}"
        );
    }
}

#[test]
fn invalid_endpoint_is_refused_with_a_reason() {
    let long = format!("unix:///{}", "x".repeat(107));
    for (text, reason) in [
        ("localhost:80", "KIND://PLACE"),
        ("gopher://localhost:80", "unknown kind"),
        ("http:///run/page.sock", "http+unix://PATH"),
        ("http://localhost", "port is missing"),
        ("http+unix://page.sock", "absolute"),
        ("tcp://localhost", "port is missing"),
        ("tcp://localhost:0", "1 to 65535"),
        ("tcp://localhost:70000", "1 to 65535"),
        ("tcp://localhost:+80", "1 to 65535"),
        ("tcp://example.org:80", "a host is"),
        ("tcp://::1:80", "brackets"),
        ("tcp://[127.0.0.1]:80", "a host is"),
        ("tcp://[::ffff:127.0.0.1]:80", "without the brackets: 127.0.0.1"),
        ("unix://ipcd.sock", "absolute"),
        ("unix:///run/", "absolute"),
        ("unix:///run/\u{1b}", "control"),
        (&long, "at most 107"),
        (&long.replace("unix:", "unixgram:"), "at most 107"),
        ("udp://localhost", "port is missing"),
        ("fifo://multiply", "absolute"),
        ("shm://multiply.shm", "absolute"),
        (&long.replace("unix:", "shm:"), "at most 107"),
        ("mq://multiply", "begins with a slash"),
        ("mq:///", "begins with a slash"),
        ("mq:///a/b", "no second slash"),
        ("mq:///a\n", "control"),
        (&format!("mq:///{}", "x".repeat(251)), "at most 250"),
    ] {
        let error = text.parse::<Endpoint>().expect_err(text);
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn localhost_is_both_families_and_percent_t_is_the_runtime_directory() {
    let run = Path::new("/run/user/7");
    let both = "tcp://localhost:5".parse::<Endpoint>().unwrap().resolve(run);
    assert_eq!(
        both.iter().map(ResolvedEndpoint::to_string).collect::<Vec<_>>(),
        ["tcp://127.0.0.1:5", "tcp://[::1]:5"]
    );
    let path = "unix://%t/ipcd/ipcd.sock".parse::<Endpoint>().unwrap().resolve(run);
    assert_eq!(path, [ResolvedEndpoint::Unix(PathBuf::from("/run/user/7/ipcd/ipcd.sock"))]);
}
