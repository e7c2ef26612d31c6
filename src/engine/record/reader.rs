//! Reads a record piece by piece, and checks everything in it.

use std::rc::Rc;

use super::piece::{Content, RUNS, SIZES_BYTES, Sizes};
use super::{BindingOf, Record};
use crate::engine::message::{Binding, Timestamp};

/// Takes pieces up to the last one.
#[derive(Debug, Default)]
pub struct Reader {
    record: Record,
    bindings: Option<Vec<Rc<Binding>>>,
    is_complete: bool,
}

impl Reader {
    /// Whether the last piece was taken.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Takes one piece.
    ///
    /// # Errors
    /// If it is not a piece, or cannot come here.
    pub fn take(&mut self, json: &[u8], runs: [Vec<u8>; RUNS]) -> Result<(), String> {
        let content = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let [first, second, third] = runs;
        match (content, &self.bindings) {
            #[cfg(not(feature = "nats"))]
            (Content::Head { now, bindings, base }, None) => {
                self.begin(now, bindings, base, first, second)?
            }
            #[cfg(feature = "nats")]
            (Content::Head { now, bindings, base, shared }, None) => {
                self.begin(now, bindings, base, first, second)?;
                self.record.shared = shared;
            }
            (Content::Machine(host, mut machine), Some(_)) => {
                machine.latest = String::from_utf8(first).map_err(|_| "a machine's report is not text")?;
                self.record.machines.push((host, machine));
            }
            (Content::Session(number, mut saved), Some(bindings)) => {
                if let BindingOf::Number(at) = saved.binding {
                    let binding = bindings.get(at as usize).ok_or("a session has an unknown binding")?;
                    saved.binding = BindingOf::Binding(Rc::clone(binding));
                }
                saved.inbox.extend_from_slice(&first);
                saved.outbox.fill(second);
                saved.direct_messages = third;
                self.record.sessions.push((number, *saved));
            }
            (Content::End { machines, sessions }, Some(_)) => {
                let found = (self.record.machines.len(), self.record.sessions.len());
                if found != (machines, sessions) {
                    return Err(format!(
                        "it has {found:?} machines and sessions, not {:?}",
                        (machines, sessions)
                    ));
                }
                self.is_complete = true;
            }
            (Content::Head { .. }, Some(_)) => return Err("it begins a second time".to_owned()),
            (_, None) => return Err("it does not begin with its head".to_owned()),
        }
        Ok(())
    }

    /// The first piece.
    fn begin(
        &mut self,
        now: Timestamp,
        bindings: Vec<Binding>,
        base: u64,
        log: Vec<u8>,
        history: Vec<u8>,
    ) -> Result<(), String> {
        let history = String::from_utf8(history).map_err(|_| "its history is not text")?;
        self.record.now = now;
        self.record.history = history.lines().map(str::to_owned).collect();
        (self.record.log.base, self.record.log.bytes) = (base, log);
        self.bindings = Some(bindings.into_iter().map(Rc::new).collect());
        Ok(())
    }

    /// The complete record.
    ///
    /// # Errors
    ///
    /// If the last piece is missing.
    pub fn finish(self) -> Result<Record, String> {
        if self.is_complete { Ok(self.record) } else { Err("it is cut off".to_owned()) }
    }
}

/// Reads all pieces of a record.
///
/// # Errors
/// What is wrong with it.
pub fn read(mut bytes: &[u8]) -> Result<Record, String> {
    let mut reader = Reader::default();
    while !reader.is_complete() {
        let (sizes, rest) = bytes.split_first_chunk::<SIZES_BYTES>().ok_or("it is cut off")?;
        let sizes = Sizes::read(sizes, rest.len() as u64)?;
        let (json, mut rest) = rest.split_at(sizes.json as usize);
        let runs = sizes.runs.map(|size| {
            let (run, behind) = rest.split_at(size as usize);
            rest = behind;
            run.to_vec()
        });
        reader.take(json, runs)?;
        bytes = rest;
    }
    if bytes.is_empty() { reader.finish() } else { Err("something follows its end".to_owned()) }
}
