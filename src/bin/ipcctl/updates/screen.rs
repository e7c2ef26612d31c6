//! The loop of a list on the whole terminal, redrawn at each update.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crossterm::event::KeyEvent;
use ratatui::Frame;

use super::super::error::CliError;
use super::super::reconnect::Reconnecting;
use super::super::terminal::{Happening, Screen};

/// A list on the screen.
pub(crate) trait Board {
    fn tie(&mut self) -> &mut Reconnecting;
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

/// Shows the board until the user quits; requests the list at each update.
pub(crate) fn run(screen: &mut Screen, board: &mut impl Board, every: Duration) -> Result<(), CliError> {
    let mut next = Instant::now() + every;
    loop {
        screen.draw(|frame| board.draw(frame))?;
        let tie = board.tie();
        let due = tie.deadline().into_iter().chain(tie.next_second()).fold(next, Instant::min);
        match screen.next(tie.conversation(), Some(due))? {
            Happening::Key(key) => {
                if board.handle_key(key, screen)?.is_break() {
                    return Ok(());
                }
            }
            Happening::Wheel(rows) => board.scroll(-rows),
            Happening::Paste(_) | Happening::Redraw => {}
            Happening::Daemon(outcome) => board.handle_daemon(outcome)?,
            Happening::Due => {
                board.handle_deadline()?;
                if next <= Instant::now() {
                    next = Instant::now() + every;
                    // A slow daemon gets no more requests than it answers.
                    if !board.is_asked() {
                        board.ask();
                    }
                }
            }
        }
    }
}
