//! Draws the sequence diagram: one lane for each agent, one line for each message, times at the right.

use anstyle::{AnsiColor, Style};

use super::{
    Conversation, Options,
    canvas::Line,
    frame,
    layout::{ARROW_COLUMNS, Layout, reply},
    names::Names,
    steps::{Message, Step, What, steps},
};
use crate::text::{shorten, width};

const LIFE: Style = Style::new().dimmed();
const TIME: Style = Style::new().dimmed();
const NAME: Style = Style::new().bold();
const BY_SERVER: Style = AnsiColor::Yellow.on_default();
const LOST: Style = AnsiColor::Red.on_default();

/// The diagram; `None` when its lanes do not fit.
pub(super) fn sequence(conversation: &Conversation, options: Options) -> Option<String> {
    let mut steps = steps(conversation);
    steps.retain(|step| !matches!(step.what, What::Transition { .. }));
    let names = Names::of(conversation, &steps);
    let whole_micros = frame::duration_micros(conversation, &steps);
    let layout = Layout::of(&names, &steps, whole_micros, options.columns)?;
    let pen = Pen { names: &names, layout: &layout, options };
    let mut lines = vec![frame::title(conversation, options.glyphs, options.columns)];
    if !layout.lanes.is_empty() {
        lines.push(String::new());
        lines.extend(pen.headings());
        lines.extend(steps.iter().flat_map(|step| pen.step(step, whole_micros)));
        lines.push(pen.life().text(options.coloured));
    }
    lines.push(String::new());
    lines.extend(frame::closing(conversation, &steps, &names, options));
    Some(lines.join("\n"))
}

/// What every line of one diagram is drawn with.
struct Pen<'a> {
    names: &'a Names,
    layout: &'a Layout,
    options: Options,
}

impl Pen<'_> {
    /// The names over their lanes; with two rows, those of every other lane stand on top of its life line.
    fn headings(&self) -> Vec<String> {
        let rows = self.layout.heading_rows;
        let row = |row: usize| {
            let mut line = Line::blank(self.options.columns);
            for (number, (lane, heading)) in self.layout.lanes.iter().zip(&self.layout.headings).enumerate() {
                if number % rows == row {
                    line.write(lane.saturating_sub(width(heading) / 2), heading, NAME);
                } else if number % rows < row {
                    line.put(*lane, self.options.glyphs.life, LIFE);
                }
            }
            line.text(self.options.coloured)
        };
        (0..rows).map(row).collect()
    }

    fn life(&self) -> Line {
        let mut line = Line::blank(self.options.columns);
        for lane in &self.layout.lanes {
            line.put(*lane, self.options.glyphs.life, LIFE);
        }
        line
    }

    /// The lines of a step: one, and a second where a note does not fit into the first.
    fn step(&self, step: &Step, whole_micros: i64) -> Vec<String> {
        let mut line = self.life();
        let note = match &step.what {
            What::Message(message) => self.message(&mut line, message),
            What::Trap { agent, kind } => {
                let text = format!("trap: {kind}");
                self.beside(&mut line, self.lane(agent).0, self.options.glyphs.fault, &text, LOST);
                None
            }
            What::Transition { .. } => None,
        };
        let time = frame::millis(step.micros, whole_micros);
        line.write(self.layout.end.saturating_sub(width(&time)), &time, TIME);
        if self.layout.reply_columns > 0 {
            line.write(self.layout.picture_end, &reply(step), TIME);
        }
        let texts = std::iter::once(line).chain(note).map(|line| line.text(self.options.coloured));
        texts.collect()
    }

    /// The number and the column of an agent's lane.
    fn lane(&self, agent: &str) -> (usize, usize) {
        let number = self.names.lane(agent);
        (number, self.layout.lanes.get(number).copied().unwrap_or_default())
    }

    /// Draws the arrow with its label; gives the line for the note that did not fit.
    fn message(&self, line: &mut Line, message: &Message) -> Option<Line> {
        let style = match (message.lost, message.by_server) {
            (true, _) => LOST,
            (false, true) => BY_SERVER,
            (false, false) => Style::new(),
        };
        let with_note = match message.note.as_str() {
            "" => message.label.clone(),
            note => format!("{} ({note})", message.label),
        };
        let ((from_number, from), (to_number, to)) = (self.lane(&message.from), self.lane(&message.to));
        if from_number == to_number {
            let sign = if message.lost { self.options.glyphs.lost } else { self.options.glyphs.to_self };
            self.beside(line, from_number, sign, &with_note, style);
            return None;
        }
        let (low, high) = (from.min(to), from.max(to));
        self.arrow(line, from, to, message, style);
        let room = (high - low).saturating_sub(ARROW_COLUMNS);
        let fits = width(&with_note) <= room;
        let label = if fits { with_note } else { fitted(&message.label, room) };
        line.write(low + 3, &format!(" {label} "), style);
        (!fits && !message.note.is_empty()).then(|| self.note(low, &format!("({})", message.note), style))
    }

    fn arrow(&self, line: &mut Line, from: usize, to: usize, message: &Message, style: Style) {
        let glyphs = self.options.glyphs;
        let (low, high) = (from.min(to), from.max(to));
        line.fill(low + 1, high, if message.by_server { glyphs.dashed } else { glyphs.line }, style);
        for crossed in self.layout.lanes.iter().filter(|lane| (low + 1..high).contains(lane)) {
            line.put(*crossed, glyphs.crossing, style);
        }
        let (head, at) = if from < to { (glyphs.to_right, high - 1) } else { (glyphs.to_left, low + 1) };
        line.put(at, if message.lost { glyphs.lost } else { head }, style);
    }

    /// A line that holds a note under the arrow that begins or ends at `low`; it has no time, so it may be longer.
    fn note(&self, low: usize, note: &str, style: Style) -> Line {
        let mut line = self.life();
        let note = shorten(note, self.options.columns, '…');
        let start = (low + 4).min(self.options.columns.saturating_sub(width(&note)));
        line.write(start, &note, style);
        line
    }

    /// Writes at an agent's lane, to its right, or to its left at the last lane.
    fn beside(&self, line: &mut Line, number: usize, sign: char, text: &str, style: Style) {
        let lanes = &self.layout.lanes;
        let lane = lanes.get(number).copied().unwrap_or_default();
        let last = lanes.len() > 1 && number + 1 == lanes.len();
        let room = if last { lane } else { self.layout.picture_end.saturating_sub(lane) };
        let text = shorten(text, room.saturating_sub(3), '…');
        if last {
            line.write(lane.saturating_sub(width(&text) + 2), &format!(" {text} "), style);
        } else {
            line.write(lane + 1, &format!(" {text} "), style);
        }
        line.put(lane, sign, style);
    }
}

/// The label within `room`: whole, else without the second half of `accept-proposal`, else its beginning.
fn fitted(label: &str, room: usize) -> String {
    if width(label) <= room {
        return label.to_owned();
    }
    shorten(&label.replacen("-proposal", "", 1), room, '…').into_owned()
}
