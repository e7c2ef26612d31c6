//! A conversation that is begun again whenever it is lost: after half a second, then after twice as long each time. Knows
//! no message, and no screen that shows how it is.

use super::connect;
use std::time::{Duration, Instant};

use super::daemon::Conversation;
use super::error::CliError;
use super::error::words;
use super::services::ServiceSpec;

/// The first pause before a new connection; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A conversation, as far as it is there.
pub(crate) struct Reconnecting {
    wanted: &'static ServiceSpec,
    /// How long an answer may take; 0: for ever.
    timeout: Duration,
    /// The one that is there, or was.
    conversation: Conversation,
    state: State,
    /// The pause before the next try, should it be lost now.
    pause: Duration,
    /// Nothing was heard since it was lost: that is told once, however often it is tried.
    is_loss_told: bool,
}

enum State {
    /// Connected, or about to be. An answer that is waited for has this long.
    Open { until: Option<Instant> },
    /// Lost, and why; when it is tried again.
    Lost { why: String, next: Instant },
}

/// What the deadline brought.
pub(crate) enum Due {
    /// It was not over yet, or it is still not there.
    Nothing,
    /// An answer is overdue: see [`Reconnecting::lose`].
    Overdue(CliError),
    /// A new one is begun: ask what it begins with.
    Begun,
}

impl Reconnecting {
    /// Around one in which nothing is waited for.
    pub(crate) fn around(
        conversation: Conversation,
        wanted: &'static ServiceSpec,
        timeout: Duration,
    ) -> Reconnecting {
        let state = State::Open { until: None };
        Reconnecting { wanted, timeout, conversation, state, pause: PAUSE_MIN, is_loss_told: false }
    }

    /// What there is to speak with.
    pub(crate) fn conversation(&mut self) -> Option<&mut Conversation> {
        matches!(self.state, State::Open { .. }).then_some(&mut self.conversation)
    }

    /// The conversation, to be ended by somebody else.
    pub(crate) fn into_conversation(self) -> Conversation {
        self.conversation
    }

    /// Something answers there, but not the service.
    pub(crate) fn not_there(&self, name: &str, line: &str) -> CliError {
        self.conversation.not_there(name, line)
    }

    /// Where it is, or was.
    pub(crate) fn place(&self) -> &ipcd::endpoint::ResolvedEndpoint {
        &self.conversation.place
    }

    /// Whether something was heard since it was begun, and it is there.
    pub(crate) fn is_in(&self) -> bool {
        !self.is_loss_told
    }

    /// What a status line says of it: why it is not there, or else what else there is to say.
    pub(crate) fn trouble_or(&self, note: Option<&str>) -> Option<String> {
        let trying = (!self.is_in()).then(|| "not connected: trying".to_owned());
        self.waiting().or(trying).or_else(|| note.map(str::to_owned))
    }

    /// Why it is not there, and when it is tried again, if it is waited for.
    pub(crate) fn waiting(&self) -> Option<String> {
        match &self.state {
            State::Lost { why, next } => {
                let left = next.saturating_duration_since(Instant::now());
                // Rounded up: at 0 it is tried.
                let seconds = left.as_millis().div_ceil(1000);
                Some(format!("{why}; next try in {seconds} s, Enter: now"))
            }
            State::Open { .. } => None,
        }
    }

    /// When [`Reconnecting::waiting`] says something else.
    pub(crate) fn next_second(&self) -> Option<Instant> {
        match &self.state {
            State::Lost { next, .. } => {
                let left = next.saturating_duration_since(Instant::now());
                Some(Instant::now() + Duration::from_millis((left.as_millis() as u64) % 1000 + 1))
            }
            State::Open { .. } => None,
        }
    }

    /// Somebody wants it tried at once, if it is waited for.
    pub(crate) fn try_now(&mut self) {
        if let State::Lost { next, .. } = &mut self.state {
            *next = Instant::now();
        }
    }

    /// When [`Reconnecting::handle_deadline`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Open { until } => *until,
            State::Lost { next, .. } => Some(*next),
        }
    }

    /// Says something that has to be answered in time. Without a conversation nothing is said.
    pub(crate) fn ask(&mut self, line: &str) {
        if let State::Open { until } = &mut self.state {
            self.conversation.say(line);
            *until = connect::deadline(self.timeout);
        }
    }

    /// What was asked is answered; whether it had been lost before.
    pub(crate) fn handle_answer(&mut self) -> bool {
        if let State::Open { until } = &mut self.state {
            *until = None;
        }
        self.pause = PAUSE_MIN;
        std::mem::replace(&mut self.is_loss_told, false)
    }

    /// It is no more; whether that is news.
    pub(crate) fn lose(&mut self, why: String) -> bool {
        self.conversation.hang_up();
        // Where it is stands elsewhere.
        let place = format!("{}: ", self.conversation.place);
        let why = why.strip_prefix(&place).map(str::to_owned).unwrap_or(why);
        self.state = State::Lost { why, next: Instant::now() + self.pause };
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        !std::mem::replace(&mut self.is_loss_told, true)
    }

    /// Tries again, if it is time for that.
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
                self.lose(words(&error));
                Due::Nothing
            }
        }
    }
}
