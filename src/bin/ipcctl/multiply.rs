//! `ipcctl multiply A [OP] B`

use std::time::Duration;

use ipcd::endpoint::{Endpoint, Place};

use super::Trouble;
use super::daemon::Conversation;

pub(crate) fn run(to: Option<&Endpoint>, timeout: Duration, request: &[String]) -> Result<(), Trouble> {
    let mut daemon = Conversation::begin(to, timeout, true)?;
    // A Unix socket is the mux, where the service has to be chosen, or multiply's own, which answers that as it answers
    // any request that is none: the last reply is to ours.
    if matches!(daemon.place, Place::Unix(_)) {
        daemon.say("multiply")?;
    }
    // White space inside an argument would make another request of it.
    daemon.say(&request.join(" ").replace(['\r', '\n'], " "))?;
    daemon.end()?;
    let mut lines = Vec::new();
    while let Some(line) = daemon.hear()? {
        lines.push(line);
    }
    match &lines[..] {
        [.., acknowledgement, reply] if acknowledgement == "Data received" => {
            match reply.strip_prefix("Error: ") {
                Some(error) => Err(Trouble::Refused(vec![error.to_owned()])),
                None => super::print(reply),
            }
        }
        [.., last] => match last.strip_prefix("Error: ") {
            Some(error) => Err(Trouble::Refused(vec![error.to_owned()])),
            None => {
                Err(Trouble::Failed(format!("{}: multiply is not there: it says {last:?}", daemon.place)))
            }
        },
        [] => Err(Trouble::Failed(format!("{}: closed without an answer", daemon.place))),
    }
}
