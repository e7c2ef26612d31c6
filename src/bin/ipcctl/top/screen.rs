//! `ipcctl top` on the whole terminal: a row for each machine, redrawn at each update.

use std::collections::{HashMap, VecDeque};
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ipcd::endpoint::ResolvedEndpoint;
use ipcd::engine::text::quote;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Wrap};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::super::columns::{Column, Columns, cut, longest};
use super::super::connect::ConnectOptions;
use super::super::daemon::Conversation;
use super::super::error::CliError;
use super::super::output;
use super::super::reconnect::{Due, Reconnecting};
use super::super::report;
use super::super::scrollback::{self, drawable};
use super::super::services::STATS;
use super::super::terminal::Screen;
use super::super::updates::screen::{self, ListScreen};

use super::model::{List, Machine, Sort, sorted};

/// A machine that has not reported for this long, in seconds, is shown as stale: five reports at the usual pace.
const STALE: f64 = 10.0;

/// The number of reports in a machine's curve.
const CURVE: usize = 20;

/// A report with the same figures is a new one if it is this much later; ages have millisecond precision.
const SAME: Duration = Duration::from_millis(10);

/// The length of the bar for 100 %.
const BAR: usize = 10;

struct TopScreen {
    reconnecting: Reconnecting,
    sort: Sort,
    /// The last list, with the times of its request and its arrival.
    told: Vec<Value>,
    begun: Instant,
    heard: Instant,
    /// A list that is being received.
    coming: List,
    /// The request without an answer yet.
    asked: VecDeque<Question>,
    curves: HashMap<String, Sparkline>,
    /// A note about the connection: shown until a key is pressed.
    note: Option<&'static str>,
    /// The first visible machine.
    from: usize,
    /// The number of machines that fit, at the last drawing.
    room: usize,
    has_colour: bool,
}

/// A request to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Latest,
    History,
}

/// The processor load of a machine in its last reports.
struct Sparkline {
    percents: VecDeque<f64>,
    /// The displayed part of the last report.
    figures: [Option<f64>; 4],
    /// The latest time of its arrival, by our clock.
    reported: Instant,
}

pub(crate) fn run(
    options: &ConnectOptions,
    conversation: Conversation,
    every: Duration,
    sort: Sort,
) -> Result<(), CliError> {
    let mut screen = Screen::enter()?;
    let mut list = TopScreen {
        reconnecting: Reconnecting::around(conversation, &STATS, options.timeout),
        sort,
        told: Vec::new(),
        begun: Instant::now(),
        heard: Instant::now(),
        coming: List::default(),
        asked: VecDeque::new(),
        curves: HashMap::new(),
        note: None,
        from: 0,
        room: 1,
        has_colour: output::has_colour(),
    };
    list.ask();
    screen::run(&mut screen, &mut list, every)
}

impl ListScreen for TopScreen {
    fn reconnecting(&mut self) -> &mut Reconnecting {
        &mut self.reconnecting
    }

    fn ask(&mut self) {
        if self.reconnecting.conversation().is_some() {
            self.reconnecting.ask("latest");
            self.begun = Instant::now();
            self.asked.push_back(Question::Latest);
        }
    }

    fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    fn handle_deadline(&mut self) -> Result<(), CliError> {
        match self.reconnecting.handle_deadline() {
            Due::Nothing => {}
            Due::Overdue(error) => self.lose(error)?,
            Due::Begun => {
                self.asked.clear();
                self.coming = List::default();
                self.ask();
            }
        }
        Ok(())
    }

    fn handle_daemon(&mut self, outcome: Result<(), CliError>) -> Result<(), CliError> {
        while let Some(line) = self.reconnecting.conversation().and_then(Conversation::heard) {
            if let Err(error) = self.hear(&line) {
                return self.lose(error);
            }
        }
        match (outcome, self.reconnecting.conversation()) {
            (Err(error), _) => self.lose(error),
            (Ok(()), Some(conversation)) if conversation.is_over() => {
                let error = report::gone(conversation);
                self.lose(error)
            }
            (Ok(()), _) => Ok(()),
        }
    }

    fn handle_key(&mut self, key: KeyEvent, _: &mut Screen) -> Result<ControlFlow<()>, CliError> {
        self.note = None;
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Ok(ControlFlow::Break(()));
            }
            KeyCode::Char('q') | KeyCode::Esc => return Ok(ControlFlow::Break(())),
            KeyCode::Char('j') | KeyCode::Down => self.scroll(1),
            KeyCode::Char('k') | KeyCode::Up => self.scroll(-1),
            KeyCode::PageDown => self.scroll(scrollback::page(self.room)),
            KeyCode::PageUp => self.scroll(-scrollback::page(self.room)),
            KeyCode::Home => self.from = 0,
            KeyCode::End => self.scroll(isize::MAX),
            KeyCode::Enter => self.reconnecting.try_now(),
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
        Ok(ControlFlow::Continue(()))
    }

    fn scroll(&mut self, rows: isize) {
        let last = self.told.len().saturating_sub(1);
        self.from = self.from.saturating_add_signed(rows).min(last);
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let [above, below] =
            Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
        let mut machines = sorted(&self.told, self.sort);
        if !self.reconnecting.is_in() {
            // Their present age is unknown.
            let since = self.heard.elapsed().as_secs_f64();
            machines.iter_mut().for_each(|machine| machine.age += since);
        }
        // No machine is out of sight while there is room for it.
        self.room = usize::from(above.height).saturating_sub(1).max(1);
        self.from = self.from.min(machines.len().saturating_sub(self.room));
        let width = usize::from(above.width);
        if machines.is_empty() {
            let text = Text::from_iter(self.advice().map(|line| Line::from(line).centered()));
            frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), above);
        } else {
            let hosts = machines.iter().map(|machine| drawable(&machine.host).width());
            let columns = Columns::fitting(width, hosts.max().unwrap_or(0));
            let shown =
                machines[self.from..].iter().take(self.room).map(|machine| self.row(machine, &columns));
            let rows = std::iter::once(heading(&columns)).chain(shown);
            frame.render_widget(Text::from_iter(rows), above);
        }
        let status = format!("{:width$}", cut(&self.status(machines.len(), width), width));
        frame.render_widget(Line::styled(status, Style::new().add_modifier(Modifier::REVERSED)), below);
    }
}

impl TopScreen {
    // ---- the daemon

    fn hear(&mut self, line: &str) -> Result<(), CliError> {
        match self.asked.front() {
            Some(Question::History) => {
                self.asked.pop_front();
                // The machine is gone, or the daemon has no history: the curve begins now.
                if let Ok(told) = serde_json::from_str::<Value>(line) {
                    self.handle_history(&told);
                }
            }
            _ => {
                let Some(conversation) = self.reconnecting.conversation() else { return Ok(()) };
                if self.coming.take(conversation, line)? {
                    self.asked.pop_front();
                    self.handle_latest();
                }
            }
        }
        if self.asked.is_empty() && self.reconnecting.handle_answer() {
            self.note = Some("the daemon is back");
        }
        Ok(())
    }

    /// The list is complete.
    fn handle_latest(&mut self) {
        self.told = std::mem::take(&mut self.coming).told;
        self.heard = Instant::now();
        let machines = sorted(&self.told, Sort::Host);
        self.curves.retain(|host, _| machines.iter().any(|machine| machine.host == *host));
        for machine in &machines {
            // Its age belongs to a moment in between.
            let reported = before(self.begun, machine.age)..before(self.heard, machine.age);
            match self.curves.get_mut(&machine.host) {
                Some(curve) => curve.push(machine, reported),
                None => {
                    self.curves.insert(machine.host.clone(), Sparkline::beginning(machine, reported));
                    self.reconnecting.ask(&format!("history {}", machine.name));
                    self.asked.push_back(Question::History);
                }
            }
        }
    }

    fn handle_history(&mut self, told: &Value) {
        let host = quote(told["host"].as_str().unwrap_or_default().as_bytes());
        let Some(curve) = self.curves.get_mut(&host) else { return };
        let history = told["history"].as_array().map(Vec::as_slice).unwrap_or_default();
        let from = history.len().saturating_sub(CURVE);
        let percents = history[from..].iter().map(|sample| sample["cpu_percent"].as_f64().unwrap_or(0.0));
        curve.percents = percents.collect();
    }

    /// The connection is lost, unless the daemon refuses for good.
    fn lose(&mut self, error: CliError) -> Result<(), CliError> {
        if matches!(error, CliError::Refused(_)) {
            return Err(error);
        }
        self.note = None;
        self.reconnecting.lose(error.lines().join("; "));
        Ok(())
    }

    // ---- the person

    // ---- drawing

    /// The advice for an empty list.
    fn advice(&self) -> [String; 4] {
        let endpoint = match self.reconnecting.endpoint() {
            ResolvedEndpoint::Tcp(address) | ResolvedEndpoint::Tls(address)
                if !address.ip().is_loopback() =>
            {
                self.reconnecting.endpoint().to_string()
            }
            // It cannot know the name by which others reach this machine.
            _ => "tcp://HOST:33001".to_owned(),
        };
        [
            String::new(),
            "no machine reports yet; run on each:".to_owned(),
            format!("ipcctl --to {endpoint} report"),
            "and on this one (HOST): ipcctl report".to_owned(),
        ]
    }

    fn status(&self, count: usize, width: usize) -> String {
        let unit = if count == 1 { "machine" } else { "machines" };
        let order = format!("{:?}", self.sort).to_lowercase();
        let how = self.reconnecting.trouble_or(self.note).map_or(String::new(), |how| format!("{how} | "));
        let last = (self.from + self.room).min(count);
        let (rows, short) = match last - self.from == count {
            true => Default::default(),
            false => {
                let rows = format!(", {} to {last}", self.from + 1);
                (format!("{rows} shown"), rows)
            }
        };
        let status = format!("{how}{count} {unit}, by {order}");
        let lines = [
            format!("{status}{rows} | s: sort | arrows, Page Up, Page Down: scroll | q: quit"),
            format!("{status}{rows} | s: sort | q: quit"),
            format!("{status}{rows} | q: quit"),
            format!("{status}{short} | q: quit"),
            self.reconnecting.next_try().map_or(format!("{status}{rows}"), |next| format!("top | {next}")),
        ];
        longest(&lines, width).unwrap_or(&lines[4]).to_owned()
    }

    fn row(&self, machine: &Machine, columns: &Columns) -> Line<'static> {
        let [host, cpu, memory, load, frequency, age] = machine.cells();
        let percent = machine.cpu.unwrap_or(0.0);
        let colour = match percent {
            _ if !self.has_colour => Style::new(),
            90.0.. => Style::new().fg(Color::Red),
            50.0.. => Style::new().fg(Color::Yellow),
            _ => Style::new().fg(Color::Green),
        };
        let full = (percent / 100.0 * BAR as f64).round() as usize;
        let host = cut(&drawable(&host), columns.host);
        let blank = columns.host.saturating_sub(host.width());
        let mut cells = vec![Span::raw(host + &" ".repeat(blank))];
        for (column, width) in &columns.others {
            let text = match column {
                Column::Cpu => cpu.clone(),
                Column::Bar => "#".repeat(full.min(BAR)),
                Column::History => {
                    self.curves.get(&machine.host).map(|curve| curve.last(*width)).unwrap_or_default()
                }
                Column::Memory => memory.clone(),
                Column::Load => load.clone(),
                Column::Megahertz => frequency.clone(),
                Column::Age => age.clone(),
            };
            let style = if *column == Column::Bar { colour } else { Style::new() };
            cells.extend([Span::raw(" "), Span::styled(column.cell(&text, *width), style)]);
        }
        let is_stale = machine.age > STALE;
        Line::from(cells).style(if is_stale {
            Style::new().add_modifier(Modifier::DIM)
        } else {
            Style::new()
        })
    }
}

fn heading(columns: &Columns) -> Line<'static> {
    let mut text = format!("{:1$}", cut("HOST", columns.host), columns.host);
    for (column, width) in &columns.others {
        text.push(' ');
        text += &column.cell(column.heading(), *width);
    }
    Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

impl Sparkline {
    fn beginning(machine: &Machine, reported: Range<Instant>) -> Sparkline {
        let percents = VecDeque::from([machine.cpu.unwrap_or(0.0)]);
        Sparkline { percents, figures: figures(machine), reported: reported.end }
    }

    /// Takes the reported values, unless the last list had them already.
    fn push(&mut self, machine: &Machine, reported: Range<Instant>) {
        let figures = figures(machine);
        let is_later = reported.start > self.reported + SAME;
        if figures == self.figures && !is_later {
            self.reported = self.reported.min(reported.end);
            return;
        }
        self.figures = figures;
        self.reported = reported.end;
        self.percents.push_back(machine.cpu.unwrap_or(0.0));
        if self.percents.len() > CURVE {
            self.percents.pop_front();
        }
    }

    /// The newest part of the curve, in this many columns.
    fn last(&self, columns: usize) -> String {
        self.percents
            .iter()
            .skip(self.percents.len().saturating_sub(columns))
            .map(|percent| step(*percent))
            .collect()
    }
}

fn figures(machine: &Machine) -> [Option<f64>; 4] {
    [machine.cpu, machine.memory, machine.load, machine.frequency]
}

/// So many seconds before a moment.
fn before(instant: Instant, seconds: f64) -> Instant {
    let span = Duration::try_from_secs_f64(seconds).ok();
    span.and_then(|span| instant.checked_sub(span)).unwrap_or(instant)
}

/// A percentage as a block of that height.
fn step(percent: f64) -> char {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    STEPS[((percent / 100.0 * 8.0) as usize).min(7)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn curve_has_one_point_per_report_even_when_late() {
        let zero = Instant::now();
        let at = |seconds: f64| zero + Duration::from_secs_f64(seconds);
        let machine = |percent: u32| {
            let told = [json!({"host": "pc7", "age": 0, "cpu_percent": percent})];
            sorted(&told, Sort::Host).swap_remove(0)
        };
        let mut curve = Sparkline::beginning(&machine(0), at(10.0)..at(10.5));
        // The same report, asked for at once and told after seconds; then another with the same figures.
        curve.push(&machine(0), at(9.9)..at(14.0));
        curve.push(&machine(0), at(9.0)..at(10.1));
        assert_eq!(curve.last(CURVE), "▁");
        curve.push(&machine(0), at(10.2)..at(15.0));
        assert_eq!(curve.last(CURVE), "▁▁");
        // Other figures are another report.
        curve.push(&machine(100), at(10.2)..at(15.0));
        assert_eq!(curve.last(CURVE), "▁▁█");
        (0..100).for_each(|percent| curve.push(&machine(percent), at(20.0)..at(20.0)));
        assert_eq!(curve.last(CURVE + 5).chars().count(), CURVE);
    }
}
