//! How a connection gets a name that is already in the room: with its owner's secret, or after a restart.

use super::Session;
use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::counters::ErrorKind;
use crate::engine::effect::SessionEvent;
use crate::engine::message::{CloseReason, ConnectionId, EventKind, Timestamp};
use crate::engine::name::Name;
use crate::engine::room::MemberId;
use crate::engine::words;

impl Dialogue {
    /// Makes it the member of this name, which it has shown to be: the connection `from` is closed. The others are not told,
    /// because for them the member never left.
    pub(super) fn return_to(
        &mut self,
        shared: &mut EngineState,
        member_id: MemberId,
        from: ConnectionId,
        begun: Vec<u8>,
    ) {
        shared.tell(from, SessionEvent::Replaced(begun));
        self.welcome(shared, member_id);
    }

    /// Whether it waits for its place in the shared log.
    pub(super) fn is_joining(&self) -> bool {
        matches!(self.state, State::Joining)
    }

    /// Handles that another member, on another machine, has or had its name first.
    #[cfg(feature = "nats")]
    pub(super) fn lose_name_elsewhere(&mut self, shared: &mut EngineState, now: Timestamp, name: &str) {
        self.state = State::Chat(Err(now));
        match self.transport().many_writers {
            true => self.join_as_endpoint(shared), // the endpoint joins under another name
            false => self.err(shared, ErrorKind::Name, words::taken(name)),
        }
    }

    /// Handles its joining: it gets a confirmation and the history.
    pub(super) fn welcome(&mut self, shared: &mut EngineState, member_id: MemberId) {
        let name = shared.room.name(member_id).to_owned();
        self.say(&words::welcome(&name));
        let encoding = self.encoding();
        self.outbox.expect(shared.room.history_bytes());
        shared.room.history().for_each(|line| self.outbox.say(encoding, line));
        shared.room.set_blocked(member_id, self.is_blocked());
        self.state = State::Chat(Ok(member_id));
        shared.roster.set_name(shared.now, self.client(), &name);
        self.note(shared, EventKind::Joined(name));
    }

    /// Hands its member over to another connection. A line that was sent in part is completed.
    pub(super) fn make_way(&mut self, shared: &mut EngineState, now: Timestamp, begun: &[u8]) {
        self.state = State::Chat(Err(now));
        self.outbox.push(begun);
        self.finish(shared, now, CloseReason::PeerReplaced, Some(words::REPLACED));
    }
}

impl Session {
    /// Asks it for another name, because after a restart its name is not allowed any more, or taken.
    pub(in crate::engine) fn lose_name(&mut self, shared: &mut EngineState, name: &str) {
        let reason = Name::new(name).err().map_or_else(|| words::taken(name), |reason| reason.to_string());
        self.dialogue.err(shared, ErrorKind::Name, reason);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use crate::engine::Engine;
    use crate::engine::limits::Settings;
    use crate::engine::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Timestamp, Transport};
    use crate::engine::record::SavedLog;
    use crate::engine::record::{BindingOf, SavedSession, SavedState};
    use crate::engine::service::Service;

    const ANN: RemoteAddress = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
    const BOB: RemoteAddress = RemoteAddress::Process { uid: 2, gid: 1, pid: 2 };
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    /// A room, and what its members have received.
    struct Stage {
        engine: Engine,
        heard: Vec<String>,
        open: Vec<bool>,
        said: Vec<String>,
    }

    impl Stage {
        fn new(settings: Settings) -> Stage {
            Stage { engine: Engine::new(settings), heard: Vec::new(), open: Vec::new(), said: Vec::new() }
        }

        fn connect(&mut self, remote: RemoteAddress) -> ConnectionId {
            let peer = ConnectionId { index: self.heard.len() as u32, generation: 1 };
            let binding = Binding {
                endpoint: "unix:/x".into(),
                service: Service::Chat,
                transport: Transport::UNIX,
                allowed: None,
            };
            self.heard.push(String::new());
            self.open.push(true);
            self.engine.handle(Timestamp::at(0), Input::Opened { peer, binding: &Rc::new(binding), remote });
            self.settle();
            peer
        }

        fn say(&mut self, peer: ConnectionId, line: &str) {
            self.engine.handle(
                Timestamp::at(0),
                Input::Bytes { peer, bytes: format!("{line}\n").as_bytes(), more: false },
            );
            self.settle();
        }

        fn join(&mut self, remote: RemoteAddress, name: &str) -> ConnectionId {
            let peer = self.connect(remote);
            self.say(peer, name);
            peer
        }

        fn settle(&mut self) {
            let now = Timestamp::at(0);
            loop {
                self.engine.handle(now, Input::Tick);
                while let Some(output) = self.engine.poll_output() {
                    match output {
                        Output::Flush(peer) => {
                            let bytes = self.engine.outgoing(peer).slices().concat();
                            self.engine.handle(now, Input::Sent { peer, bytes: bytes.len() });
                            self.heard[peer.index as usize] += &String::from_utf8(bytes).unwrap();
                        }
                        Output::ShutdownWrite(peer) | Output::Close(peer) | Output::Reset(peer) => {
                            self.open[peer.index as usize] = false;
                        }
                        _ => {}
                    }
                }
                while let Some(event) = self.engine.poll_event() {
                    self.said.push(format!("{event:?}"));
                }
                if !self.engine.has_work() {
                    return;
                }
            }
        }

        /// What was received since the last call.
        fn heard(&mut self, peer: ConnectionId) -> String {
            std::mem::take(&mut self.heard[peer.index as usize])
        }
    }

    #[test]
    fn secret_restores_the_name_without_an_announcement() {
        let settings = Settings { report_messages: true, chat_history: 1, ..Settings::default() };
        let mut stage = Stage::new(settings);
        let (ann, bob) = (stage.join(ANN, "Ann"), stage.join(BOB, "bob"));
        stage.say(ann, &format!("/key {SECRET}"));
        stage.say(bob, "hi");
        let _ = (stage.heard(ann), stage.heard(bob));
        let again = stage.connect(ANN);
        stage.say(again, "ann");
        stage.say(again, &format!("/key {SECRET} ann"));
        let heard = stage.heard(again);
        let welcome = "Welcome Ann! If you ever want to quit, type {quit} to exit.\nbob: hi\n";
        assert!(heard.ends_with(&format!("is taken; choose another\n{welcome}")), "{heard}");
        assert_eq!(stage.heard(ann), "Error: you joined again through another connection\n");
        assert!(!stage.open[ann.index as usize]);
        stage.say(bob, "still there?");
        stage.say(again, "yes");
        assert_eq!(stage.heard(bob), "bob: still there?\nAnn: yes\n");
        assert_eq!(stage.heard(again), "bob: still there?\nAnn: yes\n");
        assert_eq!(stage.engine.members(), 2);
        assert!(stage.said.iter().all(|note| !note.contains("0123")), "nobody is shown the secret");
        assert!(
            stage
                .said
                .iter()
                .any(|note| note.contains(&format!("SaidPrivately({})", "/key ".len() + SECRET.len())))
        );
        // Once more with the same secret, which moved along.
        let third = stage.connect(ANN);
        stage.say(third, &format!("/key {SECRET} Ann"));
        assert!(stage.heard(third).contains("Welcome Ann!") && !stage.open[again.index as usize]);
        assert_eq!(stage.engine.members(), 2);
    }

    #[test]
    fn name_needs_its_own_secret_and_user_to_be_reclaimed() {
        let mut stage = Stage::new(Settings::default());
        let (ann, bob, eve) = (stage.join(ANN, "ann"), stage.join(BOB, "bob"), stage.connect(BOB));
        stage.say(ann, &format!("/key {SECRET}"));
        let far = stage.connect(RemoteAddress::Address("127.0.0.1:1".parse().unwrap()));
        let _ = (stage.heard(ann), stage.heard(bob), stage.heard(eve), stage.heard(far));
        let wrong = "Error: wrong key for 'ann'; choose another name\n";
        let usage = "Error: /key needs a secret of 32 to 64 letters, digits or signs, and then a name\n";
        for (peer, line, error) in [
            (eve, format!("/key {SECRET} ann"), wrong.to_owned()), // a different user
            (far, format!("/key {SECRET} ann"), wrong.to_owned()), // an unknown user
            (eve, format!("/key {SECRET}0 ann"), wrong.to_owned()),
            (eve, format!("/key {} ann", &SECRET[1..]), usage.to_owned()),
            (eve, "/key  ann".to_owned(), usage.to_owned()),
            (eve, format!("/key {SECRET}"), usage.to_owned()),
            (eve, "/key".to_owned(), usage.to_owned()),
            (eve, format!("/key {SECRET} bob"), wrong.replace("ann", "bob")), // the same user, without a secret
            (
                eve,
                format!("/key {SECRET} Error"),
                "Error: a name must not be, or look like, words that the room itself uses; type another one\n"
                    .to_owned(),
            ),
        ] {
            stage.say(peer, &line);
            assert_eq!(stage.heard(peer), error, "{line}");
        }
        // Doubled slashes are text that the room shows.
        stage.say(bob, &format!("//key {SECRET} ann"));
        stage.say(bob, &format!("/me /key {SECRET} ann"));
        assert_eq!((stage.open[ann.index as usize], stage.engine.members()), (true, 2));
        // A free name can be claimed with a secret too.
        stage.say(eve, &format!("/key {SECRET} eve"));
        assert!(stage.heard(eve).starts_with("Welcome eve!"));
    }

    #[test]
    fn secret_survives_a_restart_only_with_its_name() {
        let mut stage = Stage::new(Settings::default());
        let (ann, bob, old) = (stage.join(ANN, "ann"), stage.join(BOB, "bob"), stage.join(BOB, "old"));
        stage.say(ann, &format!("/key {SECRET}"));
        let peers = [ann, bob, old];
        let mut sessions = peers.map(|peer| {
            let session = stage.engine.sessions.get(peer).unwrap();
            let (saved, _) = session.save(&stage.engine.shared, 0).unwrap();
            let written = serde_json::to_string(&saved).unwrap();
            let mut saved: SavedSession = serde_json::from_str(&written).unwrap();
            saved.binding = BindingOf::Binding(Rc::clone(session.binding()));
            saved
        });
        // As in a record of a version that allowed this name.
        let SavedState::Member { name, .. } = &mut sessions[2].state else { panic!("a member") };
        *name = "Error".to_owned();
        let mut next = Stage::new(Settings::default());
        (next.heard, next.open) = (vec![String::new(); 3], vec![true; 3]);
        let present = peers.into_iter().zip(sessions).collect();
        let room = (Vec::new(), SavedLog::default());
        next.engine.restore(Timestamp::at(0), room, present, Vec::new());
        next.settle();
        assert_eq!(next.heard(ann), "Error has left the chat.\n");
        let reserved =
            "Error: a name must not be, or look like, words that the room itself uses; type another one\n";
        assert!(next.heard(old).ends_with(reserved));
        next.say(old, "young");
        assert!(next.heard(old).contains("Welcome young!"));
        let again = next.connect(ANN);
        next.say(again, &format!("/key {SECRET} ann"));
        assert!(next.heard(again).contains("Welcome ann!") && !next.open[ann.index as usize]);
    }
}
