//! Messages that the transport keeps apart.

use super::lines::without_cr;

/// A packet in the form in which it waits with others: as a line, so its own LFs are replaced.
pub fn as_line(packet: &[u8]) -> impl Iterator<Item = u8> {
    let message = without_cr(packet.strip_suffix(b"\n").unwrap_or(packet));
    let inner = |byte: &u8| if *byte == b'\n' { b'\r' } else { *byte }; // both are white space, or removed
    message.iter().map(inner).chain([b'\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_is_one_line_whatever_it_contains() {
        for (packet, line) in
            [(&b"5 10"[..], &b"5 10\n"[..]), (b"5 10\r\n", b"5 10\n"), (b"5\n10", b"5\r10\n"), (b"", b"\n")]
        {
            assert_eq!(as_line(packet).collect::<Vec<_>>(), line);
        }
    }
}
