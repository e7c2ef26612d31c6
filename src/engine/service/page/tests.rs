use super::*;

const KEY: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn site() -> Site {
    let files = [
        File {
            path: "/",
            content_type: "text/html",
            plain: b"<p>hello",
            gzip: b"packed",
            plain_tag: "\"1\"",
            gzip_tag: "\"1-gzip\"",
        },
        File {
            path: "/page.js",
            content_type: "text/javascript",
            plain: b"1",
            gzip: b"",
            plain_tag: "\"2\"",
            gzip_tag: "\"2-gzip\"",
        },
    ];
    let origins = vec!["https://school.example".to_owned()];
    Site {
        hosts: vec!["teacher".to_owned()],
        origins,
        files: files.into(),
        has_metrics: true,
        token: "f00".into(),
    }
}

/// The answer to a request to `localhost`, and whether another may follow.
fn told(line: &str, fields: &str) -> (String, bool) {
    let head = format!("{line} HTTP/1.1\r\nHost: localhost:33080\r\n{fields}\r\n");
    match answer(&site(), head.as_bytes(), Remote::Own) {
        Reply::Answer { bytes, keeps_open, .. } => (String::from_utf8(bytes).unwrap(), keeps_open),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn site_without_files_says_that_there_is_no_page() {
    let bare = Site { files: [].into(), ..site() };
    for (path, expected) in [
        ("/", "this program was built without the page (feature page); there are /healthz, /metrics and"),
        ("/x", "there is no /x here; there are /healthz, /metrics and the WebSockets /multiply"),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let Reply::Answer { error: Some(error), .. } = answer(&bare, head.as_bytes(), Remote::Own) else {
            panic!("{path} is answered");
        };
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn files_are_shown_compressed_where_asked_and_only_if_they_are_new() {
    let (answer, keeps_open) = told("GET /?x", "");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n<p>hello") && keeps_open);
    assert!(
        answer.contains("ETag: \"1\"\r\n") && answer.contains("Content-Security-Policy: default-src 'none'")
    );
    let (answer, _) = told("GET /", "Accept-Encoding: gzip, br\r\n");
    assert!(answer.contains("Content-Encoding: gzip\r\n") && answer.ends_with("packed"), "{answer}");
    assert!(answer.contains("ETag: \"1-gzip\"\r\n"), "{answer}");
    for (tag, status) in [("1-gzip", "304"), ("1", "200")] {
        let (answer, _) = told("GET /", &format!("Accept-Encoding: gzip\r\nIf-None-Match: \"{tag}\"\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{tag}: {answer}");
    }
    let (answer, _) = told("GET /page.js", "Accept-Encoding: gzip\r\n");
    assert!(!answer.contains("gzip") && answer.ends_with("\r\n1"), "{answer}");
    for tags in ["\"1\"", "\"0\", \"1\"", "W/\"1\"", "*"] {
        let (answer, keeps_open) = told("GET /", &format!("If-None-Match: {tags}\r\n"));
        assert!(
            answer.starts_with("HTTP/1.1 304 ") && answer.ends_with("\r\n\r\n") && keeps_open,
            "{answer}"
        );
    }
    assert!(told("GET /", "If-None-Match: \"2\"\r\n").0.starts_with("HTTP/1.1 200 "));
    let (answer, _) = told("HEAD /", "Connection: close\r\n");
    assert!(answer.contains("Content-Length: 8\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(!told("GET /", "Connection: close\r\n").1);
    assert!(told("GET /healthz", "").0.ends_with("\r\n\r\nok\n"));
}

#[test]
fn request_that_is_not_served_gets_a_plain_reason() {
    for (line, fields, status, words) in [
        (
            "GET /nothing",
            "",
            "404",
            "there is no /nothing here; there are /, /healthz, /metrics and the WebSockets /multiply, /greeting, /chat",
        ),
        ("GET /\u{1b}[2J", "", "400", "the request line"),
        ("POST /", "", "405", "only GET and HEAD"),
        ("POST /", "Content-Length: 5\r\n", "413", "requests with a body are not supported here"),
        ("GET /multiply", "", "426", "new WebSocket(\"ws://localhost:33080/multiply\")"),
        ("GET /page", KEY, "404", "there is no WebSocket at /page"),
        (
            "GET /",
            KEY,
            "404",
            "new WebSocket(\"ws://localhost:33080/multiply\"): /multiply, /greeting, /chat",
        ),
        ("GET /chat", "Upgrade: websocket\r\n", "400", "Connection: Upgrade is missing"),
        ("GET /chat", &KEY.replace("13", "12"), "426", "version 13"),
        ("GET /chat", "Transfer-Encoding: chunked\r\n", "400", "(Transfer-Encoding)"),
    ] {
        let (answer, keeps_open) = told(line, fields);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {fields}: {answer}");
        assert!(answer.contains(words), "{line} {fields}: {answer}");
        assert_eq!(keeps_open, status == "404" && fields.is_empty(), "{line}: nobody knows what follows");
    }
    assert!(told("POST /", "").0.contains("\r\nAllow: GET, HEAD\r\n"));
    assert!(told("GET /chat", &KEY.replace("13", "12")).0.contains("\r\nSec-WebSocket-Version: 13\r\n"));
}

#[test]
fn other_names_of_this_machine_are_refused() {
    for (host, is_served) in
        [("localhost:33080", true), ("10.0.0.1", true), ("teacher:33080", true), ("evil.example", false)]
    {
        let head = format!("GET /multiply HTTP/1.1\r\nHost: {host}\r\n{KEY}\r\n");
        match answer(&site(), head.as_bytes(), Remote::Own) {
            Reply::Open { service, .. } => assert!(is_served && service == Service::Multiply, "{host}"),
            Reply::Metrics(request) => panic!("{request:?}"),
            Reply::Answer { bytes, .. } => {
                let answer = String::from_utf8(bytes).unwrap();
                assert!(!is_served && answer.starts_with("HTTP/1.1 421 "), "{answer}");
                assert!(
                    answer.contains("this server is not called evil.example; use an address"),
                    "{answer}"
                );
            }
        }
    }
}

#[test]
fn websockets_are_for_the_own_page_and_files_have_what_all_may() {
    let may = |service: Service, origin: &str| {
        let head = format!("GET /{service} HTTP/1.1\r\nHost: localhost:33080\r\n{KEY}{origin}\r\n");
        match answer(&site(), head.as_bytes(), Remote::Own) {
            Reply::Open { bytes, service: opened, terms } => {
                assert_eq!((opened, terms), (service, Terms::Usual));
                assert!(bytes.starts_with(b"HTTP/1.1 101 "));
                true
            }
            Reply::Metrics(request) => panic!("{request:?}"),
            Reply::Answer { bytes, .. } => {
                let answer = String::from_utf8(bytes).unwrap();
                let words = if origin.contains("null") {
                    "opened as a file may only use multiply"
                } else {
                    "may not speak to this daemon"
                };
                assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains(words), "{answer}");
                assert!(answer.contains("origins"), "{answer}");
                false
            }
        }
    };
    for service in Service::ALL.into_iter().filter(|service| service.is_at_a_path()) {
        let is_anybodys = matches!(service, Service::Multiply | Service::Greeting | Service::Hello);
        assert!(may(service, "") && may(service, "Origin: http://127.0.0.1:33080\r\n"), "{service}");
        assert!(may(service, "Origin: https://school.example\r\n"), "{service}");
        assert_eq!(may(service, "Origin: null\r\n"), is_anybodys, "{service}");
        assert!(!may(service, "Origin: http://evil.example\r\n"), "{service}");
    }
    assert!(![Service::Status, Service::Watch, Service::Page].into_iter().any(Service::is_at_a_path));
}

#[test]
fn no_answer_to_head_has_a_body() {
    for (path, fields, status) in [
        ("/", "", "200"),
        ("/healthz", "", "200"),
        ("/nothing", "", "404"),
        ("/multiply", "", "426"),
        ("/", "Content-Length: 5\r\n", "413"),
        ("/", "Host: two\r\n", "400"),
        ("/", "A : b\r\n", "400"),
        ("/chat", KEY, "400"),
    ] {
        let (answer, _) = told(&format!("HEAD {path}"), fields);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {fields}: {answer}");
        assert!(
            answer.contains("Content-Length: ") && answer.ends_with("\r\n\r\n"),
            "{path} {fields}: {answer}"
        );
    }
}

#[test]
fn metrics_need_the_token_except_on_this_machine() {
    let asked = |site: &Site, fields: &str, remote: Remote| {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        answer(site, head.as_bytes(), remote)
    };
    for (accept, form) in [
        ("", Form::OpenMetrics),
        ("Accept: */*\r\n", Form::OpenMetrics),
        ("Accept: text/plain\r\n", Form::Text),
        ("Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", Form::Text),
        ("Accept: application/openmetrics-text; version=1.0.0;q=0.8,text/plain;q=0.5\r\n", Form::OpenMetrics),
    ] {
        let request = MetricsRequest { form, keeps_open: true, is_head: false };
        assert_eq!(asked(&site(), accept, Remote::Own), Reply::Metrics(request), "{accept}");
    }
    let passed_on = "X-Forwarded-For: 192.0.2.1\r\n";
    let shown = |token: &str| format!("Authorization: {token}\r\n");
    for (fields, remote) in [
        (String::new(), Remote::Other),
        (passed_on.to_owned(), Remote::Own),
        ("Via: 1.1 proxy\r\n".to_owned(), Remote::Own),
        ("forwarded: for=192.0.2.1\r\n".to_owned(), Remote::Own),
        (shown("Bearer f01"), Remote::Other),
        (shown("Bearer f0"), Remote::Other),
        (shown("Bearer f000"), Remote::Other),
        (shown("Bearer "), Remote::Other),
        (shown("Bearer"), Remote::Other),
        (shown("f00"), Remote::Other),
        (shown("Basic f00"), Remote::Other),
        (shown("Bearer f00") + &shown("Bearer f00"), Remote::Other),
    ] {
        let Reply::Answer { bytes, error: Some(error), .. } = asked(&site(), &fields, remote) else {
            panic!("{fields} {remote:?}")
        };
        let answer = String::from_utf8(bytes).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("\r\nWWW-Authenticate: Bearer\r\n"));
        assert!(error.starts_with("the metrics are for this machine") && !error.contains("f0"), "{error}");
    }
    for (fields, remote) in [
        (shown("Bearer f00"), Remote::Other),
        (shown("bearer  f00"), Remote::Other),
        (shown("Bearer f00") + passed_on, Remote::Own),
        (shown("Bearer old"), Remote::Own),
    ] {
        assert!(matches!(asked(&site(), &fields, remote), Reply::Metrics(_)), "{fields}");
    }
    let nobodys = Site { token: "".into(), ..site() };
    assert!(matches!(asked(&nobodys, &shown("Bearer "), Remote::Other), Reply::Answer { .. }));
    let without = Site { has_metrics: false, ..site() };
    assert!(
        matches!(asked(&without, "", Remote::Own), Reply::Answer { bytes, .. } if bytes.starts_with(b"HTTP/1.1 404 "))
    );
}

#[test]
fn services_for_the_teacher_ask_for_the_token_first() {
    let guarded = |site: &Site, path: &str, origin: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost:33080\r\n{KEY}{origin}\r\n");
        match answer(site, head.as_bytes(), Remote::Other) {
            Reply::Open { service, terms, .. } => Ok((service, terms)),
            Reply::Answer { bytes, .. } => Err(String::from_utf8(bytes).unwrap()),
            Reply::Metrics(request) => panic!("{request:?}"),
        }
    };
    let without = Site { token: "".into(), ..site() };
    for (path, service) in
        [("/status", Service::Status), ("/watch", Service::Watch), ("/control", Service::Mux)]
    {
        assert_eq!(
            guarded(&site(), path, "Origin: http://localhost:33080\r\n"),
            Ok((service, Terms::Guarded))
        );
        let refused = guarded(&site(), path, "Origin: null\r\n").unwrap_err();
        assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
        let old = guarded(&without, path, "");
        assert!(!matches!(old, Ok((found, terms)) if found == service || terms == Terms::Guarded), "{path}");
    }
    assert_eq!(
        guarded(&site(), "/mux", ""),
        Ok((Service::Mux, Terms::Usual)),
        "control is not offered there"
    );
}

#[test]
fn head_with_a_secret_is_confidential_however_it_is_written() {
    for (head, is_so) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", false),
        ("GET /authorization HTTP/1.1\r\nHost: x\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nAUTHORIZATION:Bearer f00\r\n\r\n", true),
        ("GET / HTTP/1.1\nCookie: f00\n\n", true),
        ("GET / HTTP/1.1\r\nProxy-Authorization : f00", true),
        ("GET / HTTP/1.1\r\nAuthori", false),
    ] {
        assert_eq!(is_confidential(head.as_bytes()), is_so, "{head}");
    }
}

#[test]
fn hints_are_for_multiply_where_they_are_offered() {
    for (path, offered, expected) in [
        ("/multiply", HINTS, Terms::Advised),
        ("/multiply", "chat, ipcd.hints", Terms::Advised),
        ("/multiply", "chat", Terms::Usual),
        ("/hello", HINTS, Terms::Usual),
        ("/watch", HINTS, Terms::Guarded),
    ] {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{KEY}Sec-WebSocket-Protocol: {offered}\r\n\r\n"
        );
        let Reply::Open { bytes, terms, .. } = answer(&site(), head.as_bytes(), Remote::Other) else {
            panic!("{path}")
        };
        assert_eq!(terms, expected, "{path} {offered}");
        let answer = String::from_utf8(bytes).unwrap();
        assert_eq!(
            answer.contains("Sec-WebSocket-Protocol: ipcd.hints\r\n"),
            terms == Terms::Advised,
            "{answer}"
        );
    }
}
