//! What every stage does between two inputs: it executes the engine's requests until none is left at this time.

use ipcd::engine::Engine;
use ipcd::engine::message::{ConnectionId, Event, Input, Output, Timestamp};

/// An engine, and the clients' ends of its connections.
pub trait Stage {
    /// The engine and the current time.
    fn engine(&mut self) -> (&mut Engine, Timestamp);
    /// Takes the output for this peer.
    fn flush(&mut self, peer: ConnectionId);
    /// Removes a closed connection.
    fn close(&mut self, peer: ConnectionId);
    /// Receives an event of the engine.
    fn handle_event(&mut self, event: Event);
}

/// Executes the engine's requests until none is left at this time.
pub fn settle(stage: &mut impl Stage) {
    loop {
        let (engine, now) = stage.engine();
        engine.handle(now, Input::Tick);
        while let Some(output) = stage.engine().0.poll_output() {
            match output {
                Output::Flush(peer) => stage.flush(peer),
                Output::Close(peer) | Output::Reset(peer) => stage.close(peer),
                Output::Retry(_)
                | Output::ShutdownWrite(_)
                | Output::Reading(..)
                | Output::Acknowledge(_)
                | Output::Ask(..) => {}
            }
        }
        while let Some(event) = stage.engine().0.poll_event() {
            stage.handle_event(event);
        }
        if !stage.engine().0.has_work() {
            return;
        }
    }
}
