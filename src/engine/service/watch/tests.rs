use super::*;
use crate::engine::diagnosis::Mistake;

#[test]
fn filter_follows_its_words_and_unknown_word_gets_a_correction() {
    for (message, shown) in [
        ("all", "all"),
        ("json", "all"),
        ("service=chat", "service=chat"),
        ("peer=127.0.0.1 service=multiply json", "service=multiply peer=127.0.0.1"),
        ("peer=pid:7", "peer=pid:7"),
    ] {
        assert_eq!(read(message.as_bytes()).unwrap().to_string(), shown, "{message}");
    }
    assert!(read(b"json").unwrap().json);
    assert!(read(b"service=chess").unwrap_err().starts_with("unknown service: 'chess' (known: multiply"));
    assert!(read(b"everything\x1b").unwrap_err().starts_with("unknown filter: 'everything\\u{1b}'; say all"));
    assert!(read(b"peer=").is_err());
}

#[test]
fn filter_matches_only_its_service_and_peer() {
    let (near, far) = ("127.0.0.1:40112".parse().unwrap(), "10.0.0.1:1".parse().unwrap());
    let trace = TraceEvent::RepliedPrivately(1);
    let wants = |filter: &str, remote| {
        read(filter.as_bytes()).unwrap().wants(Service::Chat, remote, &trace, [None; 2])
    };
    assert!(wants("all", RemoteAddress::Input) && wants("service=chat", RemoteAddress::Input));
    assert!(!wants("service=multiply", RemoteAddress::Input));
    assert!(
        wants("peer=127.0.0.1", RemoteAddress::Address(near))
            && !wants("peer=127.0.0.1", RemoteAddress::Address(far))
    );
    assert!(wants("peer=127.0.0.1:40112", RemoteAddress::Address(near)));
    let process = RemoteAddress::Process { uid: 5, gid: 5, pid: 7 };
    assert!(wants("peer=pid:7", process) && wants("peer=uid:5", process) && wants("peer=pid", process));
    let nats = |filter: &str| {
        read(filter.as_bytes()).unwrap().wants(Service::Chat, None, &trace, [Some("ann"), None])
    };
    assert!(["all", "nats", "service=chat", "nats name=Ann"].into_iter().all(nats));
    assert!(!["hints", "peer=127", "address=127.0.0.1", "service=talk", "name=bob"].into_iter().any(nats));
    assert!(!wants("nats", process));
    assert!(!wants("peer=pid:5", process) && !wants("peer=uid:5", RemoteAddress::Address(near)));
}

#[test]
fn event_is_one_line_plain_or_json() {
    let actor =
        Actor { endpoint: "tcp://[::1]:1", service: Service::Multiply, remote: Some(RemoteAddress::Input) };
    let (since, at) = (Timestamp::at(1_000_000), Timestamp::at(2_234_567));
    let plain = read(b"all").unwrap();
    let said = TraceEvent::Happened(EventKind::Said("5 10".into()));
    assert_eq!(
        write(&plain, since, at, actor, &said),
        "+1.234567 s  tcp://[::1]:1  standard input  message '5 10'"
    );
    for (trace, told) in [
        (TraceEvent::Happened(EventKind::SaidPrivately(23)), "message (private, 23 bytes)"),
        (TraceEvent::RepliedPrivately(1), "reply (private, 1 bytes)"),
        (TraceEvent::Replied("(private, 1 bytes)".into()), "reply '(private, 1 bytes)'"),
    ] {
        assert!(write(&plain, since, at, actor, &trace).ends_with(&format!("  {told}")), "{told}");
    }
    let up = TraceEvent::Sent("batch 1: ann says 'hi'".into());
    let servers = Actor { endpoint: "nats://a:4222", service: Service::Chat, remote: None };
    assert_eq!(
        write(&plain, since, at, servers, &up),
        "+1.234567 s  nats://a:4222  shared room  up: batch 1: ann says 'hi'"
    );
    let json = read(b"json").unwrap();
    let value: serde_json::Value = serde_json::from_str(&write(&json, since, at, servers, &up)).unwrap();
    assert_eq!((&value["event"], &value["peer"]), (&"up".into(), &serde_json::Value::Null));
    let hint = TraceEvent::Mistaken(Hint { mistake: Mistake::Comma, text: "a \"b\"".into() });
    let value: serde_json::Value = serde_json::from_str(&write(&json, since, at, actor, &hint)).unwrap();
    assert_eq!((&value["event"], &value["mistake"]), (&"hint".into(), &"comma".into()));
    assert_eq!((&value["time"], &value["text"]), (&2.234567.into(), &"a \"b\"".into()));
    assert_eq!(missed(&plain, 3), "… 3 events missed");
    assert_eq!(missed(&json, 3), "{\"schema\":1,\"event\":\"missed\",\"count\":3}");
}
