//! `ipcctl multiply A [OP] B`, and `-` for a request on each line of standard input.

use clap::Args;

use super::daemon::{Conversation, Wanted};
use super::{Reach, Trouble, output};

const MULTIPLY: Wanted = Wanted { name: "multiply", port: Some(65432), datagrams: true, fifo: true };

/// What goes before each result.
const ACKNOWLEDGEMENT: &str = "Data received";

/// Multiply two numbers, or calculate with + - * / // % **
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Arguments {
    /// A, an operator (none: multiplication), and B
    #[arg(value_names = ["A", "[OP] B"], num_args = 2..=3, required = true, allow_hyphen_values = true)]
    request: Vec<String>,
}

pub(crate) fn run(reach: &Reach, arguments: &Arguments) -> Result<(), Trouble> {
    let mut daemon = Conversation::begin(reach, &MULTIPLY)?;
    daemon.say(&arguments.request.join(" "));
    daemon.end();
    match hear(&mut daemon)? {
        Ok(result) => output::print(&result),
        Err(error) => Err(Trouble::Refused(vec![error])),
    }
}

/// The next result, or why there is none.
fn hear(daemon: &mut Conversation) -> Result<Result<String, String>, Trouble> {
    let refused = |line: &str| line.strip_prefix("Error: ").map(str::to_owned);
    let Some(first) = daemon.hear()? else {
        return Err(Trouble::Failed(format!("{}: closed without an answer", daemon.place)));
    };
    if first != ACKNOWLEDGEMENT {
        return Err(match refused(&first) {
            // It is not this request that is refused, but we are.
            Some(error) => Trouble::Refused(vec![error]),
            None => Trouble::Failed(format!("{}: multiply is not there: it says {first:?}", daemon.place)),
        });
    }
    match daemon.hear()? {
        Some(result) => Ok(refused(&result).map_or(Ok(result), Err)),
        None => Err(Trouble::Failed(format!("{}: closed before the result", daemon.place))),
    }
}
