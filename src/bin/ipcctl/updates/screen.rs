//! The loop of a list on the whole terminal, redrawn at each update.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crossterm::event::KeyEvent;
use ratatui::Frame;

use super::super::error::CliError;
use super::super::reconnect::Reconnecting;
use super::super::terminal::{Screen, ScreenEvent};

/// A list on the screen.
pub(crate) trait ListScreen {
    fn reconnecting(&mut self) -> &mut Reconnecting;
    fn draw(&mut self, frame: &mut Frame<'_>);
    /// Moves down by this many rows.
    fn scroll(&mut self, rows: isize);
    /// Breaks when the user quits.
    fn handle_key(&mut self, key: KeyEvent, screen: &mut Screen) -> Result<ControlFlow<()>, CliError>;
    /// Takes what the daemon has sent, and the outcome of the last read and write.
    fn handle_daemon(&mut self, outcome: Result<(), CliError>) -> Result<(), CliError>;
    fn handle_deadline(&mut self) -> Result<(), CliError>;
    /// Requests the list.
    fn ask(&mut self);
    /// Whether a request has no answer yet.
    fn is_asked(&self) -> bool;
}

/// Shows the list until the user quits; requests the list at each update.
pub(crate) fn run(screen: &mut Screen, list: &mut impl ListScreen, every: Duration) -> Result<(), CliError> {
    let mut next = Instant::now() + every;
    loop {
        screen.draw(|frame| list.draw(frame))?;
        let reconnecting = list.reconnecting();
        let due =
            reconnecting.deadline().into_iter().chain(reconnecting.next_second()).fold(next, Instant::min);
        match screen.next(reconnecting.conversation(), Some(due))? {
            ScreenEvent::Key(key) => {
                if list.handle_key(key, screen)?.is_break() {
                    return Ok(());
                }
            }
            ScreenEvent::Wheel(rows) => list.scroll(-rows),
            ScreenEvent::Paste(_) | ScreenEvent::Redraw => {}
            ScreenEvent::Daemon(outcome) => list.handle_daemon(outcome)?,
            ScreenEvent::Due => {
                list.handle_deadline()?;
                if next <= Instant::now() {
                    next = Instant::now() + every;
                    // A slow daemon gets no more requests than it answers.
                    if !list.is_asked() {
                        list.ask();
                    }
                }
            }
        }
    }
}
