//! The methods for a shared room, in an ipcd that was built without NATS: no room is shared.

use super::super::claim::Claim;
use super::super::message::ConnectionId;
use super::super::name::{Key, Name};
use super::audience::Audience;
use super::timeline::Entry;
use super::{MemberId, Room};

impl Room {
    pub fn is_full(&self) -> bool {
        false
    }

    pub(super) fn must_wait(&mut self, _: ConnectionId, _: &Name, _: &str, _: Option<&Claim>) -> bool {
        false
    }

    pub fn wait_again(&mut self, _: ConnectionId, _: &str, _: &str) -> bool {
        false
    }

    pub(super) fn join_again(&mut self, _: &str) {}

    pub fn newcomer(&self, _: ConnectionId) -> Option<(&str, &str)> {
        None
    }

    pub fn forget_newcomer(&mut self, _: ConnectionId) {}

    pub fn is_crowded(&self) -> bool {
        false
    }

    pub(super) fn is_held_elsewhere(&self, _: &Name) -> bool {
        false
    }

    pub(super) fn is_named_elsewhere(&self, _: &Key) -> bool {
        false
    }

    pub fn is_elsewhere(&self, _: &Key) -> bool {
        false
    }

    pub(super) fn propose_to_log(&mut self, _: Entry<'_>) -> Result<bool, String> {
        Ok(false)
    }

    pub fn whisper_elsewhere(&mut self, _: MemberId, _: &Key, _: &str) -> Option<Result<(), String>> {
        None
    }

    pub fn audience(&self) -> Audience {
        Audience::Here(self.members.len())
    }

    pub fn is_cut_off(&self) -> bool {
        false
    }
}
