//! A conversation that reconnects whenever it is lost: after half a second, then after twice as long each time. Knows
//! no message and no screen.

use super::connect;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::daemon::Conversation;
use super::error::CliError;
use super::services::ServiceSpec;
use ipcd::endpoint::ResolvedEndpoint;
use ipcd::os_error::describe;

/// The first pause before a new connection; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Why it is not connected, if nobody listens there.
const NO_DAEMON: &str = "no daemon there";

/// A conversation, connected or not.
pub(crate) struct Reconnecting {
    wanted: &'static ServiceSpec,
    /// The timeout for an answer; 0: none.
    timeout: Duration,
    /// The current or last conversation.
    conversation: Conversation,
    state: State,
    /// The pause before the next try, if it is lost now.
    pause: Duration,
    /// Nothing was received since the loss: it is reported only once, however often we try.
    is_loss_told: bool,
}

enum State {
    /// Connected or connecting, with the deadline for an expected answer.
    Open { until: Option<Instant> },
    /// Lost: the reason, and the time of the next try; `None`: when the user asks for it.
    Lost { reason: String, next: Option<Instant> },
}

/// The result of a deadline.
pub(crate) enum Due {
    /// It has not passed yet, or there is still no connection.
    Nothing,
    /// An answer is overdue: see [`Reconnecting::lose`].
    Overdue(CliError),
    /// A new connection was begun: send the first request.
    Begun,
}

impl Reconnecting {
    /// Wraps a conversation without an expected answer.
    pub(crate) fn around(
        conversation: Conversation,
        wanted: &'static ServiceSpec,
        timeout: Duration,
    ) -> Reconnecting {
        let state = State::Open { until: None };
        Reconnecting { wanted, timeout, conversation, state, pause: PAUSE_MIN, is_loss_told: false }
    }

    /// The conversation, if connected.
    pub(crate) fn conversation(&mut self) -> Option<&mut Conversation> {
        matches!(self.state, State::Open { .. }).then_some(&mut self.conversation)
    }

    /// Returns the conversation, for the caller to end.
    pub(crate) fn into_conversation(self) -> Conversation {
        self.conversation
    }

    /// The answer is not from the expected service.
    pub(crate) fn not_there(&self, name: &str, line: &str) -> CliError {
        self.conversation.not_there(name, line)
    }

    /// Its current or last endpoint.
    pub(crate) fn endpoint(&self) -> &ResolvedEndpoint {
        &self.conversation.endpoint
    }

    /// Whether it is connected and something was received.
    pub(crate) fn is_in(&self) -> bool {
        !self.is_loss_told
    }

    /// The text for a status line: why it is not connected, or otherwise the given text.
    pub(crate) fn trouble_or(&self, note: Option<&str>) -> Option<String> {
        let trying = (!self.is_in()).then(|| "not connected: trying".to_owned());
        self.waiting().or(trying).or_else(|| note.map(str::to_owned))
    }

    /// Why it is not connected, and when the next try is, while waiting for it.
    pub(crate) fn waiting(&self) -> Option<String> {
        match &self.state {
            State::Lost { reason, .. } => Some(format!("{reason}; {}", self.next_try()?)),
            State::Open { .. } => None,
        }
    }

    /// Only when the next try is, for a narrow screen.
    pub(crate) fn next_try(&self) -> Option<String> {
        match &self.state {
            State::Lost { next: None, .. } => Some("Enter: join again".to_owned()),
            State::Lost { next: Some(next), .. } => {
                let left = next.saturating_duration_since(Instant::now());
                // Rounded up: at 0 the next try begins.
                let seconds = left.as_millis().div_ceil(1000);
                Some(format!("next try in {seconds} s, Enter: now"))
            }
            State::Open { .. } => None,
        }
    }

    /// When the text of [`Reconnecting::waiting`] changes.
    pub(crate) fn next_second(&self) -> Option<Instant> {
        match &self.state {
            State::Lost { next: Some(next), .. } => {
                let left = next.saturating_duration_since(Instant::now());
                Some(Instant::now() + Duration::from_millis((left.as_millis() as u64) % 1000 + 1))
            }
            State::Lost { next: None, .. } | State::Open { .. } => None,
        }
    }

    /// Tries at once, if it is waiting for the next try.
    pub(crate) fn try_now(&mut self) {
        if let State::Lost { next, .. } = &mut self.state {
            *next = Some(Instant::now());
        }
    }

    /// When [`Reconnecting::handle_deadline`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Open { until } => *until,
            State::Lost { next, .. } => *next,
        }
    }

    /// Sends a line that must be answered in time. Does nothing without a connection.
    pub(crate) fn ask(&mut self, line: &str) {
        if let State::Open { until } = &mut self.state {
            self.conversation.say(line);
            *until = connect::deadline(self.timeout);
        }
    }

    /// The answer has arrived; returns whether the connection had been lost before.
    pub(crate) fn handle_answer(&mut self) -> bool {
        if let State::Open { until } = &mut self.state {
            *until = None;
        }
        self.pause = PAUSE_MIN;
        std::mem::replace(&mut self.is_loss_told, false)
    }

    /// The connection is lost; returns whether this is news.
    pub(crate) fn lose(&mut self, reason: String) -> bool {
        self.conversation.hang_up();
        // The endpoint is shown elsewhere.
        let endpoint = format!("{}: ", self.conversation.endpoint);
        let reason = reason.strip_prefix(&endpoint).map(str::to_owned).unwrap_or(reason);
        // A connection over the network is refused later.
        let reason = if reason == "connection refused" { NO_DAEMON.to_owned() } else { reason };
        self.state = State::Lost { reason, next: Some(Instant::now() + self.pause) };
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        !std::mem::replace(&mut self.is_loss_told, true)
    }

    /// The other side wants the connection to end: there is no further try until the user asks for one.
    pub(crate) fn stop_trying(&mut self, reason: String) {
        self.conversation.hang_up();
        self.state = State::Lost { reason, next: None };
        self.is_loss_told = true;
    }

    /// Tries again, if it is time.
    pub(crate) fn handle_deadline(&mut self) -> Due {
        if self.deadline().is_none_or(|deadline| deadline > Instant::now()) {
            return Due::Nothing;
        }
        if matches!(self.state, State::Open { .. }) {
            return Due::Overdue(self.conversation.too_late());
        }
        match self.conversation.again(self.wanted) {
            Ok(again) => {
                self.conversation = again;
                self.state = State::Open { until: None };
                Due::Begun
            }
            Err(error) => {
                self.lose(match error.kind() {
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused => NO_DAEMON.to_owned(),
                    _ => describe(&error),
                });
                Due::Nothing
            }
        }
    }
}
