//! A session on a service that answers each message on its own.

use super::dialogue::Dialogue;
use crate::engine::EngineState;
use crate::engine::message::{CloseReason, Timestamp};
use crate::engine::service::Service;
use crate::engine::service::facts::Conduct;

impl Dialogue {
    pub(super) fn answer_plainly(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        service: Service,
        message: &[u8],
    ) {
        let Conduct::Plain(answer) = service.facts().conduct else { return };
        let answer = answer(message);
        self.say(&answer.words);
        if answer.closes {
            self.finish(shared, now, CloseReason::Served, None);
        }
    }
}
