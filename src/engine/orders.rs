//! An administrator's orders about other clients: kick, mute, say, close. Each order gets an answer with its outcome, and is
//! recorded in the log and the transcript.

use std::net::SocketAddr;

use super::client::Client;
use super::message::{ConnectionId, EventKind, RemoteAddress, Timestamp};
use super::name::Key;
use super::room::{Audience, MemberId};
use super::service::control::{Order, Target};
use super::text::quote;
use super::{Engine, words};

/// A remote address for use within parentheses: `pid 5, uid 0`.
fn within(origin: RemoteAddress) -> String {
    origin.to_string().replace(" (", ", ").replace(')', "")
}

impl Engine {
    /// Carries out one action, and answers it.
    pub(super) fn execute(&mut self, now: Timestamp, by: ConnectionId, order: Order) {
        let outcome = match order {
            Order::Kick(name) => self.kick(now, by, &name),
            Order::Mute(text) => self.mute(now, by, &text),
            Order::Unmute(name) => self.unmute(by, &name),
            Order::Say(text) => self.proclaim(by, &text),
            Order::Close(target) => self.close(now, by, target),
        };
        let line =
            outcome.map_or_else(|error| format!("{}{error}", words::ERROR), |done| format!("OK: {done}"));
        self.with(now, by, |session, _| session.handle_answer(&[line]));
    }

    /// Records the order and its author in the log and the transcript.
    fn record(&mut self, by: ConnectionId, done: &str) {
        let Some(session) = self.sessions.get(by) else { return };
        let line = format!("({done}, by {})", session.remote());
        session.note(&mut self.shared, EventKind::Ordered(done.to_owned()));
        self.shared.room.write_down(&line);
    }

    fn member(&self, name: &str) -> Result<(MemberId, ConnectionId, RemoteAddress), String> {
        let member_id = self.shared.room.member_id_of(&Key::new(name.trim()));
        let member_id =
            member_id.ok_or_else(|| format!("nobody in the room is called '{}'", quote(name.as_bytes())))?;
        let peer = self.shared.room.peer(member_id);
        let remote = self.sessions.get(peer).map_or(RemoteAddress::Writers, |session| session.remote());
        Ok((member_id, peer, remote))
    }

    fn kick(&mut self, now: Timestamp, by: ConnectionId, name: &str) -> Result<String, String> {
        let (member_id, peer, remote) = self.member(name)?;
        let name = self.shared.room.name(member_id).to_owned();
        if remote == RemoteAddress::Writers {
            return Err(format!("{name} is an endpoint: remove it from the configuration, or mute it"));
        }
        let done = format!("kicked {name} ({})", within(remote));
        self.record(by, &done);
        self.with(now, peer, |session, shared| session.put_out(shared, now, words::PUT_OUT));
        Ok(done)
    }

    /// `NAME [FOR]`: a time at the end counts as one if a member has the name before it.
    fn mute(&mut self, now: Timestamp, by: ConnectionId, text: &str) -> Result<String, String> {
        let timed = text.trim().rsplit_once(char::is_whitespace).and_then(|(name, span)| {
            let span = humantime::parse_duration(span).ok().filter(|span| !span.is_zero())?;
            Some((self.member(name), span))
        });
        let ((member_id, peer, remote), span) = match (timed, self.member(text)) {
            (Some((Ok(member), span)), _) => (member, Some(span)),
            (_, Ok(member)) => (member, None),
            // The whole text is the name.
            (Some((Err(error), _)), Err(_)) | (None, Err(error)) => return Err(error),
        };
        let name = self.shared.room.name(member_id).to_owned();
        let until = span.map(|span| now + span);
        if !self.shared.mutes.add(now, Key::new(&name), Client::from(remote), until) {
            return Err(format!("{} members are already muted; unmute one first", super::mutes::MUTES_MAX));
        }
        let how_long = span.map_or(String::new(), |span| format!(" for {}", words::spelled(span)));
        let done = format!("muted {name} ({}){how_long}", within(remote));
        self.record(by, &done);
        self.shared.room.send_to(member_id, &format!("{}{}", words::ERROR, words::muted(span)));
        self.mark_ready(peer);
        Ok(done)
    }

    fn unmute(&mut self, by: ConnectionId, name: &str) -> Result<String, String> {
        if !self.shared.mutes.lift(&Key::new(name.trim())) {
            return Err(format!("no muted member is called '{}'", quote(name.as_bytes())));
        }
        let done = format!("unmuted {}", quote(name.trim().as_bytes()));
        self.record(by, &done);
        if let Ok((member_id, ..)) = self.member(name) {
            self.shared.room.send_to(member_id, words::UNMUTED);
        }
        Ok(done)
    }

    /// Sends a message to the room.
    fn proclaim(&mut self, by: ConnectionId, text: &str) -> Result<String, String> {
        let audience = self.shared.room.audience();
        let line = format!("{}{text}", words::TEACHER);
        self.shared.room.proclaim(&line).map_err(|reason| words::refused(&reason))?;
        self.note_order(by, format!("said to the room: '{}'", quote(text.as_bytes())));
        let members = |count: usize| match count {
            1 => "one member".to_owned(),
            count => format!("{count} members"),
        };
        Ok(match audience {
            Audience::Here(count) | Audience::Everywhere(count, 1) => format!("sent to {}", members(count)),
            Audience::Everywhere(count, machines) => {
                format!("sent to {} on {machines} machines", members(count))
            }
            Audience::Later => words::KEPT_UNTIL_WHOLE.to_owned(),
        })
    }

    /// Records the action only in the log.
    fn note_order(&mut self, by: ConnectionId, done: String) {
        if let Some(session) = self.sessions.get(by) {
            session.note(&mut self.shared, EventKind::Ordered(done));
        }
    }

    fn close(&mut self, now: Timestamp, by: ConnectionId, target: Target) -> Result<String, String> {
        let is_meant = |remote: RemoteAddress| match (target, remote) {
            (Target::Address(wanted), RemoteAddress::Address(address)) => {
                address.ip().to_canonical() == wanted
            }
            (Target::Socket(wanted), RemoteAddress::Address(address)) => {
                SocketAddr::new(address.ip().to_canonical(), address.port()) == wanted
            }
            (Target::User(wanted), RemoteAddress::Process { uid, .. }) => uid == wanted,
            (Target::Pid(wanted), RemoteAddress::Process { pid, .. } | RemoteAddress::Unknown { pid }) => {
                pid == wanted
            }
            _ => false,
        };
        let sessions = self.sessions.iter();
        let meant = sessions.filter(|session| session.peer() != by && session.is_serving());
        let meant = meant.filter(|session| is_meant(session.remote()));
        let peers: Vec<ConnectionId> = meant.map(|session| session.peer()).collect();
        if peers.is_empty() {
            return Err(format!("nobody is connected from {target}"));
        }
        let done = match peers.len() {
            1 => format!("closed one connection of {target}"),
            count => format!("closed {count} connections of {target}"),
        };
        self.record(by, &done);
        for peer in peers {
            self.with(now, peer, |session, shared| session.put_out(shared, now, words::CLOSED));
        }
        Ok(done)
    }
}
