//! `ipcctl multiply A [OP] B`

use std::time::Duration;

use ipcd::endpoint::Endpoint;

use super::Trouble;
use super::daemon::{Conversation, Speaks};

pub(crate) fn run(to: Option<&Endpoint>, timeout: Duration, request: &[String]) -> Result<(), Trouble> {
    let mut daemon = Conversation::begin(to, timeout, true)?;
    if daemon.speaks == Speaks::Mux {
        daemon.say("multiply")?;
    }
    // White space inside an argument would make another request of it.
    daemon.say(&request.join(" ").replace(['\r', '\n'], " "))?;
    daemon.end()?;
    let acknowledgement = daemon.hear()?;
    if acknowledgement.as_deref() != Some("Data received") {
        let what = acknowledgement.unwrap_or_else(|| "end of file".to_owned());
        return Err(complaint(what.strip_prefix("Error: ").unwrap_or(&what)));
    }
    match daemon.hear()? {
        None => Err(Trouble::Failed("the daemon closed before the result".to_owned())),
        Some(line) => match line.strip_prefix("Error: ") {
            Some(error) => Err(complaint(error)),
            None => {
                super::tell(std::io::stdout(), &line);
                Ok(())
            }
        },
    }
}

fn complaint(error: &str) -> Trouble {
    Trouble::Refused(vec![error.to_owned()])
}
