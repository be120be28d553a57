//! `caxton top`: agents or plugins with their rates, drawn anew every second.
//!
//! Rates are differences of the server's counters between two looks. Without a terminal, or with `--once`, one table is
//! printed and the rates are left out, since one look has none.

use std::{
    collections::HashMap,
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Cell, Row, Table as Grid},
};
use serde_json::{Value, json};

use super::{items, text};
use crate::{
    client::Client,
    failure::{Failure, cannot},
    output::{Format, Output},
    table::Table,
    text::safe,
    time,
};

const EXAMPLES: &str = "\
Keys: q ends, s sorts by the next column, r turns the order round. Rates are in messages per second.

Examples:
  caxton top
  caxton top plugins
  caxton top agents --sort memory --once
  caxton top --once -o json";

/// The arguments of `caxton top`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Top {
    /// What to show
    #[arg(value_name = "KIND", default_value = "agents")]
    kind: Kind,
    /// The column to sort by
    #[arg(long, value_name = "COLUMN", default_value = "in", hide_possible_values = true)]
    sort: Column,
    /// Between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time::duration)]
    every: Duration,
    /// Print one table and end
    #[arg(long)]
    once: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Agents,
    Plugins,
}

/// A column of the agents' table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Column {
    Name,
    State,
    In,
    Out,
    Mailbox,
    Memory,
    Restarts,
}

const COLUMNS: [Column; 7] =
    [Column::Name, Column::State, Column::In, Column::Out, Column::Mailbox, Column::Memory, Column::Restarts];

/// One agent or plugin at one look.
#[derive(Clone, Debug, Default, PartialEq)]
struct Entry {
    name: String,
    state: String,
    received: u64,
    sent: u64,
    mailbox: u64,
    memory: u64,
    restarts: u64,
    /// Messages per second since the look before.
    rates: Option<(f64, f64)>,
}

impl Top {
    /// Draws until `q`, or prints one table.
    ///
    /// # Errors
    /// When the server cannot be asked, or the terminal cannot be drawn on.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        if self.once || output.is_json() || output.format == Format::Name || !std::io::stdout().is_terminal()
        {
            return self.print(client, output);
        }
        let mut terminal = ratatui::try_init()?;
        let ended = self.draw(&mut terminal, client);
        ratatui::restore();
        ended
    }

    fn print(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let mut entries = self.look(client)?;
        sort(&mut entries, self.sort, false);
        match output.format {
            Format::Json | Format::Jsonl => {
                let items: Vec<Value> = entries.iter().map(document).collect();
                output.document(&json!({"kind": "caxton.top/v1", "items": items}))
            }
            Format::Name => entries.iter().try_for_each(|entry| output.line(&entry.name)),
            Format::Table | Format::Wide => {
                let mut table =
                    Table::new(["NAME", "STATE", "RECEIVED", "SENT", "MAILBOX", "MEMORY", "RESTARTS"]);
                for entry in entries {
                    let Entry { received, sent, mailbox, restarts, memory, .. } = entry;
                    let figures = [
                        received.to_string(),
                        sent.to_string(),
                        mailbox.to_string(),
                        bytes(memory),
                        restarts.to_string(),
                    ];
                    table.row([entry.name, entry.state].into_iter().chain(figures));
                }
                output.table(&table)
            }
        }
    }

    fn look(&self, client: &Client) -> Result<Vec<Entry>, Failure> {
        let path = match self.kind {
            Kind::Agents => "/v1/agents",
            Kind::Plugins => "/v1/plugins",
        };
        let list = client.get(path).map_err(cannot("look at the server"))?;
        Ok(items(&list).iter().map(entry).collect())
    }

    fn draw(&self, terminal: &mut DefaultTerminal, client: &Client) -> Result<(), Failure> {
        let (mut column, mut turned) = (self.sort, false);
        let mut entries = self.look(client)?;
        let mut looked = Instant::now();
        loop {
            sort(&mut entries, column, turned);
            terminal.draw(|frame| picture(frame, &entries, column, client.server()))?;
            let left = self.every.saturating_sub(looked.elapsed());
            if event::poll(left)? {
                match event::read()? {
                    Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
                        KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                        KeyCode::Char('s') => column = next(column),
                        KeyCode::Char('r') => turned = !turned,
                        _ => {}
                    },
                    _ => {}
                }
                continue;
            }
            let newer = self.look(client)?;
            entries = rated(&entries, newer, looked.elapsed());
            looked = Instant::now();
        }
    }
}

fn entry(item: &Value) -> Entry {
    let number = |key: &str| item.get(key).and_then(Value::as_u64).unwrap_or_default();
    Entry {
        name: safe(&text(item, "name")).into_owned(),
        state: safe(&text(item, "state")).into_owned(),
        received: number("received"),
        sent: number("sent"),
        mailbox: number("mailbox"),
        memory: number("memory-bytes"),
        restarts: number("restarts"),
        rates: None,
    }
}

fn document(entry: &Entry) -> Value {
    json!({"name": entry.name, "state": entry.state, "received": entry.received, "sent": entry.sent,
        "mailbox": entry.mailbox, "memory-bytes": entry.memory, "restarts": entry.restarts})
}

/// The newer entries with their rates; one that was not there before, or began anew, has none.
fn rated(older: &[Entry], mut newer: Vec<Entry>, between: Duration) -> Vec<Entry> {
    let older: HashMap<&str, &Entry> = older.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    for entry in &mut newer {
        let Some(before) = older.get(entry.name.as_str()) else { continue };
        let counts = (entry.received.checked_sub(before.received), entry.sent.checked_sub(before.sent));
        if let (Some(received), Some(sent)) = counts {
            let seconds = between.as_secs_f64().max(0.001);
            entry.rates = Some((received as f64 / seconds, sent as f64 / seconds));
        }
    }
    newer
}

/// Figures are sorted from the largest, words from the first.
fn sort(entries: &mut [Entry], column: Column, turned: bool) {
    let rate = |entry: &Entry, out: bool| {
        let (received, sent) = entry.rates.unwrap_or((entry.received as f64, entry.sent as f64));
        if out { sent } else { received }
    };
    entries.sort_by(|one, other| {
        let order = match column {
            Column::Name => one.name.cmp(&other.name),
            Column::State => one.state.cmp(&other.state),
            Column::In => rate(other, false).total_cmp(&rate(one, false)),
            Column::Out => rate(other, true).total_cmp(&rate(one, true)),
            Column::Mailbox => other.mailbox.cmp(&one.mailbox),
            Column::Memory => other.memory.cmp(&one.memory),
            Column::Restarts => other.restarts.cmp(&one.restarts),
        };
        let order = if turned { order.reverse() } else { order };
        order.then_with(|| one.name.cmp(&other.name))
    });
}

fn next(column: Column) -> Column {
    let at = COLUMNS.iter().position(|other| *other == column).unwrap_or_default();
    COLUMNS.get(at + 1).copied().unwrap_or(Column::Name)
}

fn heading(column: Column) -> &'static str {
    match column {
        Column::Name => "NAME",
        Column::State => "STATE",
        Column::In => "IN/S",
        Column::Out => "OUT/S",
        Column::Mailbox => "MAILBOX",
        Column::Memory => "MEMORY",
        Column::Restarts => "RESTARTS",
    }
}

fn picture(frame: &mut Frame<'_>, entries: &[Entry], sorted: Column, server: &str) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(frame.area());
    let title = format!("{}  {} listed  q ends  s sorts  r turns round", safe(server), entries.len());
    frame.render_widget(Line::from(title), head);
    let marked = |column: Column| {
        let style = if column == sorted { Modifier::REVERSED } else { Modifier::BOLD };
        Cell::from(heading(column)).style(Style::new().add_modifier(style))
    };
    let row = |entry: &Entry| {
        let rate = |pick: fn((f64, f64)) -> f64| {
            entry.rates.map_or("-".to_owned(), |rates| format!("{:.1}", pick(rates)))
        };
        let cells = [
            entry.name.clone(),
            entry.state.clone(),
            rate(|rates| rates.0),
            rate(|rates| rates.1),
            entry.mailbox.to_string(),
            bytes(entry.memory),
            entry.restarts.to_string(),
        ];
        let style = match entry.state.as_str() {
            "failed" => Style::new().fg(Color::Red),
            "degraded" | "replacing" | "draining" => Style::new().fg(Color::Yellow),
            _ => Style::new(),
        };
        Row::new(cells).style(style)
    };
    let widths = [
        Constraint::Min(16),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(10),
        Constraint::Length(8),
    ];
    let grid = Grid::new(entries.iter().map(row), widths).header(Row::new(COLUMNS.map(marked)));
    frame.render_widget(grid, body);
}

/// `512 B`, `1.5 MiB`.
fn bytes(count: u64) -> String {
    let sizes = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match sizes.into_iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", count as f64 / size as f64),
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    fn named(name: &str, received: u64) -> Entry {
        Entry { name: name.into(), state: "active".into(), received, memory: 1 << 20, ..Entry::default() }
    }

    #[test]
    fn rates_are_differences_and_a_new_start_has_none() {
        let before = [named("a", 10), named("b", 10)];
        let now = rated(&before, vec![named("a", 30), named("b", 5), named("c", 5)], Duration::from_secs(2));
        let rates: Vec<_> = now.iter().map(|entry| entry.rates).collect();
        assert_eq!(rates, [Some((10.0, 0.0)), None, None]);
    }

    #[test]
    fn the_busiest_comes_first_and_the_picture_fits() {
        let mut entries = vec![named("quiet", 1), named("busy", 9)];
        sort(&mut entries, Column::In, false);
        let mut terminal = Terminal::new(TestBackend::new(84, 4)).unwrap();
        terminal.draw(|frame| picture(frame, &entries, Column::In, "http://h:1")).unwrap();
        let picture = terminal.backend().to_string();
        let lines: Vec<&str> = picture.lines().collect();
        assert!(lines[0].contains("http://h:1  2 listed"), "{picture}");
        assert!(lines[1].contains("NAME") && lines[1].contains("RESTARTS"), "{picture}");
        assert!(lines[2].contains("busy") && lines[2].contains("1.0 MiB"), "{picture}");
        assert!(lines[3].contains("quiet"), "{picture}");
    }
}
