//! The room's messages for one member after the other, as bytes that are the same for all: a large room costs each of them little
//! more than the write.

use super::Engine;
use super::message::ConnectionId;
use super::room::{Hearing, MemberId};
use super::service::Service;

/// Bytes to write to a member of the room: all that it has not heard.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// Its connection.
    pub peer: ConnectionId,
    /// The bytes.
    pub bytes: &'a [u8],
    /// For [`Engine::delivered`].
    pub receipt: Receipt,
}

/// What a delivery moves its member on by.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    member_id: MemberId,
    bytes: usize,
    log_bytes: usize,
}

impl Engine {
    /// The next delivery of the turn; `None`: [`poll_output`](Self::poll_output) says what comes next. If the kernel takes all
    /// bytes, answer with [`delivered`](Self::delivered); if not, as after a flush, with [`Input`](super::message::Input).
    #[inline]
    pub fn poll_delivery(&mut self) -> Option<Delivery<'_>> {
        let Engine { shared, outputs, lent, .. } = self;
        let listed = outputs.next_member(&mut shared.room)?;
        if lent.is_new() || shared.event_ring.has_subscribers() {
            return None; // watchers are shown what is sent
        }
        let (from, to, hearing) = shared.room.delivery(listed)?;
        let member_id = listed.member_id;
        let is_whole = match hearing {
            Hearing::Queued => false,
            Hearing::Lines => shared.room.piece(from, to).is_some(),
            Hearing::Frames => shared.frames.are_of(&shared.room, from, to),
        };
        if !is_whole {
            return None;
        }
        outputs.take_member();
        shared.room.begin_delivery(member_id);
        let bytes = match hearing {
            Hearing::Frames => shared.frames.bytes(),
            Hearing::Lines | Hearing::Queued => shared.room.piece(from, to).unwrap_or_default(),
        };
        let receipt = Receipt { member_id, bytes: bytes.len(), log_bytes: (to - from) as usize };
        Some(Delivery { peer: listed.peer, bytes, receipt })
    }

    /// The kernel has taken all bytes of the last delivery.
    #[inline]
    pub fn delivered(&mut self, receipt: Receipt) {
        self.shared.counters.of_mut(Service::Chat).bytes_out += receipt.bytes as u64;
        self.shared.room.delivered(receipt.member_id, receipt.log_bytes);
    }
}
