//! What a guest prints and logs, as bounded lines of the turn.
//!
//! Control characters are escaped, so that a guest cannot write into an operator's terminal. Lines beyond the turn's
//! bound are counted, not kept.

use std::collections::VecDeque;

use caxton_core::agent::LogLine;

/// Bytes of one line; the rest is cut off.
const LINE_BYTES_MAX: usize = 4_096;
/// Lines of standard error that a trap's message may quote.
const TAIL_LINES_MAX: usize = 4;
/// Bytes of each of them.
const TAIL_BYTES_MAX: usize = 512;

/// The two streams that a guest may write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output, level info.
    Out,
    /// Standard error, level warn.
    Err,
}

/// Turns bytes into lines.
#[derive(Debug)]
pub(crate) struct Output {
    level_min: u8,
    out: Vec<u8>,
    err: Vec<u8>,
    tail: VecDeque<String>,
    dropped: u64,
}

impl Output {
    /// Keeps lines of this level and above.
    pub(crate) fn new(level_min: u8) -> Self {
        Self { level_min, out: Vec::new(), err: Vec::new(), tail: VecDeque::new(), dropped: 0 }
    }

    /// The lowest level that is kept.
    pub(crate) fn level_min(&self) -> u8 {
        self.level_min
    }

    /// Takes what the guest printed.
    pub(crate) fn print(&mut self, stream: Stream, bytes: &[u8], logs: &mut Vec<LogLine>, lines_max: usize) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let line = match stream {
                Stream::Out => &mut self.out,
                Stream::Err => &mut self.err,
            };
            let room = LINE_BYTES_MAX.saturating_sub(line.len());
            line.extend(text.iter().take(room));
            if ends {
                self.end_line(stream, logs, lines_max);
            }
        }
    }

    /// Takes a line that the guest logged.
    pub(crate) fn log(&mut self, level: u8, text: &str, logs: &mut Vec<LogLine>, lines_max: usize) {
        if level < self.level_min {
            return;
        }
        if logs.len() >= lines_max {
            self.dropped += 1;
            return;
        }
        logs.push(LogLine { level, text: shown(text, LINE_BYTES_MAX) });
    }

    /// Ends the turn: unfinished lines are kept, and the lines that were dropped are told.
    pub(crate) fn finish(&mut self, logs: &mut Vec<LogLine>, lines_max: usize) {
        for (stream, unfinished) in [(Stream::Out, !self.out.is_empty()), (Stream::Err, !self.err.is_empty())]
        {
            if unfinished {
                self.end_line(stream, logs, lines_max);
            }
        }
        if self.dropped > 0 {
            logs.push(LogLine {
                level: 4,
                text: format!("{} more lines of this turn were dropped", self.dropped),
            });
            self.dropped = 0;
        }
    }

    /// The last lines of standard error in one, for a trap's message; empty when nothing was printed.
    pub(crate) fn take_tail(&mut self) -> String {
        Vec::from(std::mem::take(&mut self.tail)).join(" ")
    }

    fn end_line(&mut self, stream: Stream, logs: &mut Vec<LogLine>, lines_max: usize) {
        let (bytes, level) = match stream {
            Stream::Out => (std::mem::take(&mut self.out), 3),
            Stream::Err => (std::mem::take(&mut self.err), 4),
        };
        let text = String::from_utf8_lossy(&bytes);
        if text.is_empty() {
            return;
        }
        if stream == Stream::Err && !text.starts_with("note: ") {
            if self.tail.len() >= TAIL_LINES_MAX {
                self.tail.pop_front();
            }
            self.tail.push_back(shown(&text, TAIL_BYTES_MAX));
        }
        self.log(level, &text, logs, lines_max);
    }
}

/// Escapes control characters and cuts at the bound, on a character.
pub(crate) fn shown(text: &str, bytes_max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(bytes_max));
    for character in text.chars() {
        if line.len() >= bytes_max {
            line.push('…');
            break;
        }
        match character {
            '\t' => line.push(' '),
            hidden if hidden.is_control() || is_direction(hidden) => line.extend(hidden.escape_unicode()),
            plain => line.push(plain),
        }
    }
    line
}

/// Characters that change the direction in which a terminal shows what follows.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(logs: &[LogLine]) -> Vec<&str> {
        logs.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_are_joined_over_several_writes() {
        let (mut output, mut logs) = (Output::new(1), Vec::new());
        output.print(Stream::Out, b"one\ntw", &mut logs, 10);
        output.print(Stream::Out, b"o\nthree", &mut logs, 10);
        output.finish(&mut logs, 10);
        assert_eq!(texts(&logs), ["one", "two", "three"]);
    }

    #[test]
    fn control_characters_are_escaped_and_long_lines_cut() {
        assert_eq!(shown("a\u{1b}[2Jb", 100), "a\\u{1b}[2Jb");
        assert_eq!(shown("äää", 3), "ää…");
    }

    #[test]
    fn surplus_lines_are_counted() {
        let (mut output, mut logs) = (Output::new(1), Vec::new());
        output.print(Stream::Out, b"1\n2\n3\n4\n", &mut logs, 2);
        output.finish(&mut logs, 2);
        assert_eq!(texts(&logs), ["1", "2", "2 more lines of this turn were dropped"]);
    }

    #[test]
    fn a_line_without_end_does_not_grow() {
        let (mut output, mut logs) = (Output::new(1), Vec::new());
        for _ in 0..100 {
            output.print(Stream::Out, &[b'x'; 1024], &mut logs, 10);
        }
        output.finish(&mut logs, 10);
        assert_eq!(logs.len(), 1);
        assert_eq!(logs[0].text.len(), LINE_BYTES_MAX);
    }
}
