//! `ipcctl greeting` and `ipcctl hello`: one message, one answer.

use clap::Args;
use ipcd::engine::words;
use ipcd::engine::words::ERROR;
use serde_json::json;

use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::output;
use super::services::ServiceSpec;

/// The message to send, and the beginning of the answer.
pub(crate) struct Exchange {
    wanted: ServiceSpec,
    says: &'static str,
    hears: &'static str,
}

pub(crate) const GREETING: Exchange = Exchange {
    wanted: ServiceSpec {
        name: "greeting",
        port: Some(9999),
        datagrams: true,
        fifo: false,
        memory: false,
        mux_only: false,
    },
    says: "Hi",
    hears: words::MESSAGE_RECEIVED,
};

pub(crate) const HELLO: Exchange = Exchange {
    wanted: ServiceSpec {
        name: "hello",
        port: Some(8080),
        datagrams: true,
        fifo: false,
        memory: true,
        mux_only: false,
    },
    says: "Hello from ipcctl",
    hears: words::HELLO,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Print JSON: {"reply": "…"}
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(
    options: &ConnectOptions,
    arguments: &Arguments,
    exchange: &Exchange,
) -> Result<(), CliError> {
    let mut daemon = Conversation::begin(options, &exchange.wanted)?;
    daemon.say(exchange.says);
    let Some(reply) = daemon.hear()? else {
        return Err(CliError::Failed(format!("{}: closed without an answer", daemon.endpoint)));
    };
    if let Some(error) = reply.strip_prefix(ERROR) {
        return Err(daemon.refused(exchange.wanted.name, error));
    }
    if !reply.starts_with(exchange.hears) {
        return Err(daemon.not_there(exchange.wanted.name, &reply));
    }
    match arguments.json {
        true => output::print_json(&json!({ "reply": reply })),
        false => output::print(&reply),
    }
}
