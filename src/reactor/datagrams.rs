//! Datagrams: received one at a time, each answered before the next. An answer that does not fit into the receiver's buffer is
//! dropped.

use std::io;
use std::rc::Rc;

use super::Reactor;
use super::slots::ListenerSlot;
use crate::engine::datagram::Ledger;
use crate::engine::message::{Binding, Dropped, Input, RemoteAddress, Timestamp};
use crate::transport::datagram::{Received, Return};
use crate::transport::listener::Listener;

impl Reactor {
    /// Receives one datagram and answers it. `more_tries`: see [`Sender::find`](crate::transport::datagram::Sender::find).
    pub(super) fn take_datagram(
        &mut self,
        now: Timestamp,
        listener_slot: usize,
        binding: &Rc<Binding>,
        more_tries: &mut u32,
    ) -> io::Result<()> {
        let Some(ListenerSlot { listener, ledger, .. }) = self.slots.listener_slot_mut(listener_slot) else {
            return Ok(());
        };
        let Received { count, truncated, sender, remote } = listener.receive(&mut self.buffer)?;
        let (bytes, address) = (&self.buffer[..count], sender.address());
        self.engine.handle(now, Input::Datagram { binding, remote, bytes, truncated, address });
        let mut way = None;
        while let Some(reply) = self.engine.poll_reply() {
            let way = way.get_or_insert_with(|| sender.find(more_tries));
            let sent = way.as_ref().map_err(|reason| *reason);
            let sent = sent.and_then(|way| send(listener, ledger, remote, way, &reply));
            self.engine.handle(now, Input::Replied(sent));
        }
        self.report.take(now, &mut self.engine);
        Ok(())
    }
}

/// Sends one reply, if it fits into the buffer that all receivers share.
fn send(
    listener: &Listener,
    ledger: &mut Ledger,
    remote: RemoteAddress,
    way: &Return,
    reply: &[u8],
) -> Result<(), Dropped> {
    let RemoteAddress::Process { uid, .. } = remote else { return listener.reply(way, reply) };
    if let Some(room) = listener.room()
        && !ledger.allows(uid, room.unread, room.capacity)
    {
        return Err(Dropped::Share);
    }
    listener.reply(way, reply)?;
    if let Some(room) = listener.room() {
        ledger.sent(uid, room.unread);
    }
    Ok(())
}
