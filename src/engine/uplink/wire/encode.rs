//! The commands that we send to a server. Subjects consist of tokens without spaces or line ends: numbers, hexadecimal digits and
//! names of houses.

/// Requests a PONG.
pub fn ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PING\r\n");
}

/// Answers a PING.
pub fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG\r\n");
}

/// Sends our credentials and options, a JSON object.
pub fn connect(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(b"CONNECT ");
    out.extend_from_slice(json.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Subscribes to a subject.
pub fn subscribe(out: &mut Vec<u8>, subject: &str, subscription: u64) {
    out.extend_from_slice(format!("SUB {subject} {subscription}\r\n").as_bytes());
}

/// Ends a subscription.
pub fn unsubscribe(out: &mut Vec<u8>, subscription: u64) {
    out.extend_from_slice(format!("UNSUB {subscription}\r\n").as_bytes());
}

/// Publishes a message in parts. `reply` is empty if no answer is expected.
pub fn publish(out: &mut Vec<u8>, subject: &str, reply: &str, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let blank = if reply.is_empty() { "" } else { " " };
    out.extend_from_slice(format!("PUB {subject} {reply}{blank}{length}\r\n").as_bytes());
    append(out, parts);
}

/// The same with one field in the header.
pub fn publish_with(out: &mut Vec<u8>, subject: &str, reply: &str, field: (&str, &str), parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let (name, value) = field;
    let header = "NATS/1.0\r\n".len() + name.len() + 2 + value.len() + 4;
    let blank = if reply.is_empty() { "" } else { " " };
    let total = header + length;
    let line =
        format!("HPUB {subject} {reply}{blank}{header} {total}\r\nNATS/1.0\r\n{name}: {value}\r\n\r\n");
    out.extend_from_slice(line.as_bytes());
    append(out, parts);
}

fn append(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_the_bytes_that_a_server_reads() {
        let mut out = Vec::new();
        ping(&mut out);
        pong(&mut out);
        connect(&mut out, "{}");
        subscribe(&mut out, "_INBOX.a.>", 1);
        unsubscribe(&mut out, 1);
        publish(&mut out, "a.b", "", &[b"he", b"llo"]);
        publish(&mut out, "a.b", "r", &[]);
        publish_with(&mut out, "a.b", "r", ("Nats-Msg-Id", "x.1"), &[b"hello"]);
        publish_with(&mut out, "a.b", "", ("Nats-Msg-Id", "x.1"), &[]);
        let wanted = "PING\r\nPONG\r\nCONNECT {}\r\nSUB _INBOX.a.> 1\r\nUNSUB 1\r\nPUB a.b 5\r\nhello\r\nPUB a.b r 0\r\n\r\n\
            HPUB a.b r 30 35\r\nNATS/1.0\r\nNats-Msg-Id: x.1\r\n\r\nhello\r\n\
            HPUB a.b 30 30\r\nNATS/1.0\r\nNats-Msg-Id: x.1\r\n\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
