//! One line of a picture as styled cells, so that arrows, labels and life lines can be laid over each other.

use anstyle::Style;

use crate::text::char_width;

/// A line of cells. What is put beyond its end is cut.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// A character and its style; the second cell of a wide character holds NUL.
    cells: Vec<(char, Style)>,
}

impl Line {
    /// A blank line of so many columns.
    pub fn blank(columns: usize) -> Self {
        Self { cells: vec![(' ', Style::new()); columns] }
    }

    /// Puts one character of width one.
    pub fn put(&mut self, column: usize, glyph: char, style: Style) {
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = (glyph, style);
        }
    }

    /// Puts a character into each column of `from..to`.
    pub fn fill(&mut self, from: usize, to: usize, glyph: char, style: Style) {
        for column in from..to {
            self.put(column, glyph, style);
        }
    }

    /// Writes a text and gives the column after it.
    pub fn write(&mut self, column: usize, text: &str, style: Style) -> usize {
        text.chars().fold(column, |column, glyph| {
            let width = char_width(glyph);
            if width > 0 && column + width <= self.cells.len() {
                self.put(column, glyph, style);
                self.fill(column + 1, column + width, '\0', style);
            }
            column + width
        })
    }

    /// The line without blanks at its end, with ANSI escapes around styled runs when `coloured`.
    pub fn text(&self, coloured: bool) -> String {
        let used = self.cells.iter().rposition(|(glyph, _)| *glyph != ' ').map_or(0, |last| last + 1);
        let mut text = String::new();
        let mut current = Style::new();
        for (glyph, style) in self.cells.iter().take(used) {
            if coloured && *style != current {
                text.push_str(&format!("{current:#}{style}"));
                current = *style;
            }
            if *glyph != '\0' {
                text.push(*glyph);
            }
        }
        if coloured {
            text.push_str(&format!("{current:#}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_text_covers_earlier_and_what_does_not_fit_is_cut() {
        let mut line = Line::blank(6);
        line.fill(0, 6, '-', Style::new());
        assert_eq!(line.write(2, "价格价", Style::new()), 8);
        assert_eq!(line.text(false), "--价格");
    }

    #[test]
    fn colours_only_the_styled_run() {
        let mut line = Line::blank(8);
        line.write(0, "a", Style::new());
        line.write(1, "b", anstyle::AnsiColor::Red.on_default());
        assert_eq!(line.text(true), "a\u{1b}[31mb\u{1b}[0m");
        assert_eq!(line.text(false), "ab");
    }
}
