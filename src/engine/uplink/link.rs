//! One connection to a server: greeting, TLS, credentials, pings, and its end. Knows frames, and no stream.

use std::time::Duration;

use super::super::message::Timestamp;
use super::bounds::{
    CONNECT_TIMEOUT, GREETING_TIMEOUT, OUTPUT_BYTES_HIGH, OUTPUT_BYTES_MAX, PING_INTERVAL, PONG_TIMEOUT,
};
use super::ids::LinkId;
use super::reason::Reason;
use super::settings::{Credentials, Encrypt, Server};
use super::wire::decode::Decoder;
use super::wire::info::Info;
use super::wire::{connect, encode};

/// The phases of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The reactor is connecting.
    Connecting,
    /// TLS is being set up; `true`: after the server's greeting.
    Securing(bool),
    /// We wait for the server's greeting.
    Waiting,
    /// We have sent our credentials, and wait for the answer.
    Introduced,
    /// It is ready.
    Ready,
    /// The reactor must close it.
    Ended,
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    pub id: LinkId,
    pub server: Server,
    pub phase: Phase,
    pub info: Info,
    pub is_encrypted: bool,
    pub decoder: Decoder,
    /// The time between the last ping and its answer.
    pub round_trip: Option<Duration>,
    /// When this phase began.
    pub since: Timestamp,
    out: Vec<u8>,
    sent: usize,
    ping_at: Timestamp,
    /// When the unanswered ping was sent.
    pinged: Option<Timestamp>,
    /// When the last byte came from the server.
    heard: Timestamp,
}

impl Link {
    pub fn new(id: LinkId, server: Server, now: Timestamp) -> Link {
        Link {
            id,
            server,
            phase: Phase::Connecting,
            info: Info::default(),
            is_encrypted: false,
            decoder: Decoder::default(),
            round_trip: None,
            since: now,
            out: Vec::new(),
            sent: 0,
            ping_at: now,
            pinged: None,
            heard: now,
        }
    }

    fn enter(&mut self, phase: Phase, now: Timestamp) {
        (self.phase, self.since) = (phase, now);
    }

    /// Notes that the reactor has connected.
    pub fn connected(&mut self, now: Timestamp) {
        let is_first = self.server.encrypt == Encrypt::First;
        self.enter(if is_first { Phase::Securing(false) } else { Phase::Waiting }, now);
    }

    /// Notes that TLS is set up. A greeting from before, which anyone may have sent, no longer counts.
    pub fn secured(&mut self, credentials: &Credentials, client: &str, now: Timestamp) -> Result<(), Reason> {
        let Phase::Securing(is_greeted) = self.phase else { return Ok(()) };
        self.is_encrypted = true;
        self.decoder = Decoder::default();
        if is_greeted {
            return self.introduce(credentials, client, now);
        }
        self.enter(Phase::Waiting, now);
        Ok(())
    }

    /// Handles INFO: the greeting, or a later change.
    pub fn greeted(
        &mut self,
        json: &[u8],
        credentials: &Credentials,
        client: &str,
        now: Timestamp,
    ) -> Result<(), Reason> {
        let info = Info::read(json)
            .ok_or(Reason::Protocol("its INFO is not a JSON object with the fields of a server"))?;
        let nonce = std::mem::take(&mut self.info.nonce);
        self.info = info;
        if self.info.nonce.is_empty() {
            self.info.nonce = nonce;
        }
        if self.phase != Phase::Waiting {
            return Ok(());
        }
        if !self.info.headers {
            return Err(Reason::Protocol("it has no headers, so it is older than 2.2"));
        }
        let offers = self.info.tls_required || self.info.tls_available;
        if self.is_encrypted || !self.info.tls_required && self.server.encrypt == Encrypt::IfAsked {
            return self.introduce(credentials, client, now);
        }
        if !offers {
            return Err(Reason::NoTls);
        }
        self.enter(Phase::Securing(true), now);
        Ok(())
    }

    fn introduce(&mut self, credentials: &Credentials, client: &str, now: Timestamp) -> Result<(), Reason> {
        let object = connect::object(client, credentials, &self.info.nonce, self.is_encrypted);
        encode::connect(&mut self.out, &object.ok_or(Reason::NoNonce)?);
        encode::ping(&mut self.out);
        (self.pinged, self.heard) = (Some(now), now);
        self.enter(Phase::Introduced, now);
        Ok(())
    }

    /// Notes that bytes have arrived.
    pub fn heard(&mut self, now: Timestamp) {
        self.heard = now;
    }

    /// Handles PONG. Returns whether this made the connection ready.
    pub fn ponged(&mut self, now: Timestamp) -> bool {
        if let Some(at) = self.pinged.take() {
            self.round_trip = Some(now.since(at));
        }
        self.ping_at = now + PING_INTERVAL;
        let is_new = self.phase == Phase::Introduced;
        if is_new {
            self.enter(Phase::Ready, now);
        }
        is_new
    }

    /// What an error of the server means for the connection; `None`: nothing.
    pub fn error(&self, text: &str) -> Option<Reason> {
        let small = text.to_ascii_lowercase();
        let is_about_us = ["authorization violation", "expired", "revoked", "jwt", "credentials"];
        if small.contains("permissions violation") || small.contains("invalid subject") {
            return None;
        }
        if is_about_us.iter().any(|word| small.contains(word)) {
            return Some(Reason::Unauthorized(text.to_owned()));
        }
        Some(Reason::ServerError(text.to_owned()))
    }

    /// The buffer for commands.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Whether too much waits in it for optional output.
    pub fn is_crowded(&self) -> bool {
        self.out.len() - self.sent > OUTPUT_BYTES_HIGH
    }

    /// Whether more waits than a server that reads its input can cause.
    pub fn is_overfull(&self) -> bool {
        self.out.len() - self.sent > OUTPUT_BYTES_MAX
    }

    /// Unsent bytes.
    pub fn output(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// Notes that the reactor has sent this many bytes.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes.min(self.out.len() - self.sent);
        if self.sent == self.out.len() {
            self.out.clear();
            self.out.shrink_to(OUTPUT_BYTES_HIGH);
            self.sent = 0;
        } else if self.sent > OUTPUT_BYTES_HIGH {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// When [`tick`](Self::tick) must be called.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Connecting | Phase::Securing(_) => Some(self.since + CONNECT_TIMEOUT),
            Phase::Waiting | Phase::Introduced => Some(self.since + GREETING_TIMEOUT),
            Phase::Ready => {
                Some(self.pinged.map_or(self.ping_at, |pinged| pinged.max(self.heard) + PONG_TIMEOUT))
            }
            Phase::Ended => None,
        }
    }

    /// Called when time has passed.
    pub fn tick(&mut self, now: Timestamp) -> Result<(), Reason> {
        if self.deadline().is_none_or(|at| now < at) {
            return Ok(());
        }
        match self.phase {
            Phase::Connecting | Phase::Securing(_) => {
                Err(Reason::Network("connecting takes too long".into()))
            }
            Phase::Waiting => Err(Reason::Silent),
            Phase::Introduced => Err(Reason::NoPong),
            Phase::Ready if self.pinged.is_some() => Err(Reason::NoPong),
            Phase::Ready => {
                encode::ping(&mut self.out);
                self.pinged = Some(now);
                Ok(())
            }
            Phase::Ended => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &[u8] = br#"{"headers":true,"version":"2.9.10"}"#;
    const TLS: &[u8] = br#"{"headers":true,"tls_required":true,"nonce":"n"}"#;

    fn link(encrypt: Encrypt) -> Link {
        let mut link = Link::new(LinkId(0), Server::new("h", 1, encrypt), Timestamp::at(0));
        link.connected(Timestamp::at(0));
        link
    }

    fn greet(link: &mut Link, info: &[u8]) -> Result<(), Reason> {
        link.greeted(info, &Credentials::Token("secret".into()), "c", Timestamp::at(0))
    }

    #[test]
    fn credentials_are_never_sent_unencrypted_if_tls_is_wanted() {
        let mut plain = link(Encrypt::IfAsked);
        greet(&mut plain, INFO).unwrap();
        assert!(plain.output().starts_with(b"CONNECT {") && plain.output().ends_with(b"}\r\nPING\r\n"));
        let mut always = link(Encrypt::Always);
        assert_eq!(greet(&mut always, INFO), Err(Reason::NoTls));
        assert_eq!(always.output(), b"");
        for mut secured in [link(Encrypt::Always), link(Encrypt::IfAsked)] {
            greet(&mut secured, TLS).unwrap();
            assert_eq!((secured.phase, secured.output()), (Phase::Securing(true), &b""[..]));
            secured.secured(&Credentials::None, "c", Timestamp::at(0)).unwrap();
            assert_eq!(secured.phase, Phase::Introduced);
        }
        let mut first = link(Encrypt::First);
        assert_eq!(first.phase, Phase::Securing(false));
        first.secured(&Credentials::None, "c", Timestamp::at(0)).unwrap();
        greet(&mut first, TLS).unwrap();
        assert_eq!(first.phase, Phase::Introduced);
    }

    #[test]
    fn input_from_before_tls_is_discarded() {
        let mut link = link(Encrypt::Always);
        greet(&mut link, TLS).unwrap();
        link.decoder.push(b"MSG _INBOX.x 1 1\r\n");
        link.secured(&Credentials::None, "c", Timestamp::at(0)).unwrap();
        link.decoder.push(b"PONG\r\n");
        assert!(matches!(link.decoder.next(), Ok(Some(super::super::wire::decode::Frame::Pong))));
    }

    #[test]
    fn silent_server_is_found_by_pings_within_six_seconds() {
        let mut link = link(Encrypt::IfAsked);
        greet(&mut link, INFO).unwrap();
        let mut now = Timestamp::at(1000);
        assert!(link.ponged(now) && link.is_ready());
        assert_eq!(link.round_trip, Some(Duration::from_millis(1)));
        let mut reason = Ok(());
        while reason.is_ok() {
            now = link.deadline().unwrap();
            reason = link.tick(now);
        }
        assert_eq!((reason, now.since(Timestamp::at(1000)).as_secs()), (Err(Reason::NoPong), 6));
    }

    #[test]
    fn errors_about_our_credentials_are_distinguished_from_others() {
        let link = link(Encrypt::IfAsked);
        for text in
            ["Authorization Violation", "User Authentication Expired", "Account Authentication Revoked"]
        {
            assert!(matches!(link.error(text), Some(Reason::Unauthorized(_))), "{text}");
        }
        for text in ["Stale Connection", "Authentication Timeout", "Maximum Payload Violation"] {
            assert!(matches!(link.error(text), Some(Reason::ServerError(_))), "{text}");
        }
        assert_eq!(link.error("Permissions Violation for Publish to \"a\""), None);
    }
}
