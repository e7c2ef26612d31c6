//! `ipcctl bench`: round trips of one request over every mechanism, with ipcd and between two bare processes.

mod busy;
mod channel;
mod failure;
mod machine;
mod measure;
mod mechanism;
mod memory;
mod narrow;
mod protocol;
mod report;
pub(crate) mod responder;
mod server;
mod setup;
mod svg;
mod workload;
mod workspace;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use ipcd::endpoint::ResolvedEndpoint;
use ipcd::engine::json;
use ipcd::host::raw::signal;

use self::failure::MeasureError;
use self::measure::{Figures, Limit, Pin, Plan, ROUND_TRIPS_MAX};
use self::mechanism::Mechanism;
use self::protocol::{IN_FLIGHT, IN_FLIGHT_MAX};
use self::report::{Report, Row};
use self::setup::Setup;
use self::workload::Workload;
use self::workspace::Workspace;
use super::connect::{self, ConnectOptions};
use super::error::CliError;
use super::target::Target;
use super::{locate, output};
use ipcd::os_error::describe;

/// The progress bar's steps for each mechanism.
const STEPS: u64 = 100;

/// Measure round trips of one request over every mechanism: with its own ipcd, and between two bare processes
#[derive(Args)]
pub(crate) struct Arguments {
    /// Measure only these, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<Mechanism>,

    /// Make this many round trips one by one, and this many with several in flight
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..=ROUND_TRIPS_MAX))]
    count: Option<u64>,

    /// Make round trips one by one for this time, and for the same time with several in flight
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = connect::span)]
    duration: Duration,

    /// Make the second half with this many requests in flight, or as many as the mechanism takes
    #[arg(long, value_name = "N", default_value_t = IN_FLIGHT, value_parser = clap::value_parser!(u64).range(1..=IN_FLIGHT_MAX))]
    in_flight: u64,

    /// The request, one that multiply can answer
    #[arg(long, value_name = "REQUEST", default_value = "5 10", allow_hyphen_values = true)]
    request: Workload,

    /// Keep the two processes on fixed processors: apart (the default) on two, together on one
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "apart")]
    pin: Option<Pin>,

    /// Print the figures as JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,

    /// Print the table in Markdown
    #[arg(long)]
    markdown: bool,

    /// Also draw the figures into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let plan = Plan {
        workload: arguments.request.clone(),
        limit: arguments.count.map_or(Limit::Time(arguments.duration), Limit::Count),
        pins: arguments.pin.map(Pin::processors).transpose().map_err(CliError::Failed)?,
        timeout: options.time_limit(),
        in_flight: arguments.in_flight,
    };
    // Before there is another thread, which the signal could end.
    signal::block().map_err(|error| CliError::Failed(describe(&error)))?;
    let workspace = Workspace::new()
        .map_err(|error| CliError::Failed(format!("a private directory: {}", describe(&error))))?;
    let watch = busy::Watch::begin();
    let rows = match &options.to {
        Some(_) if !arguments.only.is_empty() => {
            return Err(CliError::Usage(
                "with --to only that endpoint is measured; leave out --only".to_owned(),
            ));
        }
        Some(target) if target.is_encrypted() => {
            return Err(CliError::Usage(
                "bench does not measure TLS; give an endpoint without it, for example tcp://".to_owned(),
            ));
        }
        Some(target) if target.is_web() => {
            return Err(CliError::Usage(
                "bench does not measure WebSockets; give another endpoint, for example tcp://".to_owned(),
            ));
        }
        Some(target) => vec![one(options, target, &plan, &workspace)?],
        None => all(&arguments.only, &plan, &workspace)?,
    };
    let request = plan.workload.request;
    // A daemon that is already running uses processor time for us that we cannot measure.
    let others = watch.filter(|_| options.to.is_none()).and_then(|watch| watch.others());
    let report = Report::new(request, arguments.in_flight, arguments.pin, machine::today(), rows, others);
    if let Some(path) = &arguments.svg {
        let written = std::fs::write(path, svg::plot(&report) + "\n");
        written.map_err(|error| CliError::Failed(format!("{}: {}", path.display(), describe(&error))))?;
    }
    match (arguments.json, arguments.markdown) {
        (true, _) => output::print(&json::to_string_pretty(&report)),
        (_, true) => output::print(&report.markdown()),
        _ => output::print(&match output::width_of_terminal() {
            Some(width) if width < report::WIDTH => narrow::table(&report, width),
            _ => report.table(),
        }),
    }
}

/// A row for each mechanism, including those that this machine lacks; an error if it has none.
fn all(only: &[Mechanism], plan: &Plan, workspace: &Workspace) -> Result<Vec<Row>, CliError> {
    let chosen = |mechanism: &&Mechanism| match only {
        [] => true,
        only => only.contains(mechanism),
    };
    let mechanisms: Vec<Mechanism> = Mechanism::value_variants().iter().filter(chosen).copied().collect();
    let bar = progress(mechanisms.len() as u64);
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (at, mechanism) in (0..).zip(mechanisms) {
        bar.set_message(mechanism.title());
        let tell = |part: f64| bar.set_position(at * STEPS + (part.min(1.0) * STEPS as f64) as u64);
        tell(0.0);
        let outcome = Setup::of(mechanism, workspace, plan.timeout)
            .map_err(MeasureError::Missing)
            .and_then(|setup| measure::run(&plan.of(mechanism), setup, workspace, tell));
        // One after the other, each with its own responder.
        workspace.sweep();
        failures
            .extend(outcome.as_ref().err().map(|error| format!("{}: {}", mechanism.name(), error.text())));
        rows.push(Row::new(mechanism, &outcome));
    }
    bar.finish_and_clear();
    match failures.len() == rows.len() {
        true => Err(CliError::Refused(failures)),
        false => Ok(rows),
    }
}

/// The row of an endpoint of a running daemon.
fn one(
    options: &ConnectOptions,
    target: &Target,
    plan: &Plan,
    workspace: &Workspace,
) -> Result<Row, CliError> {
    let bar = progress(1);
    bar.set_message("the endpoint");
    let mut tried = Vec::new();
    for endpoint in target.resolve(options.deadline())? {
        let service = (locate::is_mux(&endpoint, "multiply") && !options.direct).then_some("multiply");
        let setup = Setup::at(endpoint.clone(), service, plan.timeout);
        let outcome = measure::run(&plan.of(Mechanism::of(&endpoint)), setup, workspace, |part| {
            bar.set_position((part * STEPS as f64) as u64)
        });
        match outcome {
            Ok(figures) => {
                bar.finish_and_clear();
                let mut row = Row::new(Mechanism::of(&endpoint), &Ok::<Figures, MeasureError>(figures));
                row.title = endpoint.to_string();
                return Ok(row);
            }
            Err(MeasureError::Missing(error)) if tried.contains(&error) => {}
            Err(MeasureError::Missing(error)) => tried.push(error),
            Err(MeasureError::TimedOut(error))
                if matches!(endpoint, ResolvedEndpoint::Udp(_) | ResolvedEndpoint::UnixGram(_)) =>
            {
                return Err(CliError::TimedOut(format!(
                    "{endpoint}: {error}; the daemon limits the answers to each sender of datagrams: set answers_per_second = 0 under [limits]"
                )));
            }
            Err(MeasureError::TimedOut(error)) => {
                return Err(CliError::TimedOut(format!("{endpoint}: {error}")));
            }
            Err(MeasureError::Broke(error)) => return Err(CliError::Failed(format!("{endpoint}: {error}"))),
        }
    }
    Err(CliError::Unreachable(format!("no ipcd at {target}: {}", tried.join("; "))))
}

/// On a terminal only.
fn progress(mechanisms: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(mechanisms * STEPS), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg:24} {wide_bar} {percent:>3}%");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
