//! Sentences that a peer can hear, where more than one side has to know them: the daemon says them, a client tells them
//! apart from what people say. Knows no state and no connection.

/// What a client of another protocol is told, without the mark of an error.
pub fn not_spoken_here(service: &str, protocol: &str) -> String {
    format!("this port speaks {service}, not {protocol}")
}

/// A sentence in the form in which an HTTP client shows it, to whatever it has asked.
pub fn bad_request(sentence: &str) -> String {
    let length = format!("Content-Length: {}", sentence.len() + 1); // with its line end
    let head = [
        "HTTP/1.1 400 Bad Request",
        "Content-Type: text/plain; charset=utf-8",
        &length,
        "Connection: close",
        "",
        sentence,
    ];
    head.join("\r\n") + "\n"
}
