//! `ipcctl top` on the whole terminal: a row for each machine, drawn anew at each look.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row, Table};
use serde_json::Value;

use super::daemon::Conversation;
use super::terminal::{Happening, Screen};
use super::top::{HEADINGS, Machine, Sort, sorted, take};
use super::{Reach, Trouble, output, report};

/// A machine that has not reported for this long, in seconds, is shown as stale: five reports at the usual pace.
const STALE: f64 = 10.0;

/// Looks that a machine's curve shows.
const CURVE: usize = 20;

/// Cells of the bar of a processor that is wholly busy.
const BAR: usize = 10;

struct Board {
    sort: Sort,
    /// As told last.
    told: Vec<Value>,
    /// A list that has begun.
    coming: Vec<Value>,
    curves: HashMap<String, VecDeque<f64>>,
    /// The first machine shown.
    from: usize,
    has_colour: bool,
}

pub(crate) fn run(
    reach: &Reach,
    mut conversation: Conversation,
    every: Duration,
    sort: Sort,
) -> Result<(), Trouble> {
    let mut screen = Screen::enter()?;
    let mut board = Board {
        sort,
        told: Vec::new(),
        coming: Vec::new(),
        curves: HashMap::new(),
        from: 0,
        has_colour: output::has_colour(),
    };
    conversation.say("latest");
    let (mut asked, mut is_waiting) = (Instant::now(), true);
    loop {
        screen.draw(|frame| board.draw(frame))?;
        // A slow daemon is not asked more often than it answers.
        let due = if is_waiting { reach.patience().map(|span| asked + span) } else { Some(asked + every) };
        match screen.next(Some(&mut conversation), due)? {
            Happening::Key(key) => {
                if !board.handle_key(key) {
                    return Ok(());
                }
            }
            Happening::Paste(_) | Happening::Resize => {}
            Happening::Daemon(outcome) => {
                outcome?;
                while let Some(line) = conversation.heard() {
                    if take(&conversation, &line, &mut board.coming)? {
                        board.show();
                        is_waiting = false;
                    }
                }
                if conversation.is_over() {
                    return Err(report::gone(&conversation));
                }
            }
            Happening::Due if is_waiting => {
                return Err(Trouble::TimedOut(format!("{}: no list in time", conversation.place)));
            }
            Happening::Due => {
                conversation.say("latest");
                (asked, is_waiting) = (Instant::now(), true);
            }
        }
    }
}

impl Board {
    /// The list is whole.
    fn show(&mut self) {
        self.told = std::mem::take(&mut self.coming);
        let machines = sorted(&self.told, Sort::Host);
        self.curves.retain(|host, _| machines.iter().any(|machine| machine.host == *host));
        for machine in machines {
            let curve = self.curves.entry(machine.host).or_default();
            curve.push_back(machine.cpu.unwrap_or(0.0));
            if curve.len() > CURVE {
                curve.pop_front();
            }
        }
    }

    /// Whether it goes on.
    fn handle_key(&mut self, key: KeyEvent) -> bool {
        let last = self.told.len().saturating_sub(1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('j') | KeyCode::Down => self.from = (self.from + 1).min(last),
            KeyCode::Char('k') | KeyCode::Up => self.from = self.from.saturating_sub(1),
            KeyCode::Home => self.from = 0,
            KeyCode::Char('s') => {
                self.sort = match self.sort {
                    Sort::Host => Sort::Cpu,
                    Sort::Cpu => Sort::Memory,
                    Sort::Memory => Sort::Load,
                    Sort::Load => Sort::Age,
                    Sort::Age => Sort::Host,
                };
            }
            _ => {}
        }
        true
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let [above, below] =
            Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let [host, cpu, rest @ ..] = HEADINGS;
        let headings = [host, cpu, "", "BEFORE"].into_iter().chain(rest);
        let machines = sorted(&self.told, self.sort);
        let from = self.from.min(machines.len().saturating_sub(1));
        let rows = machines[from..].iter().map(|machine| self.row(machine));
        let widths = [
            Constraint::Min(8),
            Constraint::Length(6),
            Constraint::Length(BAR as u16),
            Constraint::Length(CURVE as u16),
            Constraint::Length(7),
            Constraint::Length(7),
            Constraint::Length(6),
            Constraint::Length(6),
        ];
        frame.render_widget(Table::new(rows, widths).header(Row::new(headings).style(bold)), above);
        let count = machines.len();
        let unit = if count == 1 { "machine" } else { "machines" };
        let order = format!("{:?}", self.sort).to_lowercase();
        let status = format!("{count} {unit}, by {order}; s: sort, j k: scroll, q: quit");
        frame.render_widget(Line::styled(status, Style::new().add_modifier(Modifier::REVERSED)), below);
    }

    fn row(&self, machine: &Machine) -> Row<'static> {
        let [host, cpu, memory, load, frequency, age] = machine.cells();
        let percent = machine.cpu.unwrap_or(0.0);
        let colour = match percent {
            _ if !self.has_colour => Style::new(),
            90.0.. => Style::new().fg(Color::Red),
            50.0.. => Style::new().fg(Color::Yellow),
            _ => Style::new().fg(Color::Green),
        };
        let full = (percent / 100.0 * BAR as f64).round() as usize;
        let bar = Cell::from("#".repeat(full.min(BAR))).style(colour);
        let curve: String =
            self.curves.get(&machine.host).into_iter().flatten().map(|at| step(*at)).collect();
        let row = Row::new([
            Cell::from(host),
            Cell::from(cpu),
            bar,
            Cell::from(curve),
            Cell::from(memory),
            Cell::from(load),
            Cell::from(frequency),
            Cell::from(age),
        ]);
        let is_stale = machine.age > STALE;
        row.style(if is_stale { Style::new().add_modifier(Modifier::DIM) } else { Style::new() })
    }
}

/// A percentage as a block of that height.
fn step(percent: f64) -> char {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    STEPS[((percent / 100.0 * 8.0) as usize).min(7)]
}
