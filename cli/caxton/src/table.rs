//! A table as `kubectl` draws it: columns under capital headings, two spaces between, no lines.

use crate::text::{pad, safe, shorten, width};

/// Between two columns.
const GAP: &str = "  ";

/// Rows under headings. A row shorter than the headings ends in empty cells.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns.
    pub fn new(headings: impl IntoIterator<Item = &'static str>) -> Self {
        Self { headings: headings.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row; its cells are made safe for a terminal, an empty cell is shown as `-`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { safe(&cell).into_owned() };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, no line longer than `columns`, without a line break at the end.
    pub fn text(&self, columns: usize, ellipsis: char) -> String {
        let headings: Vec<String> = self.headings.iter().map(|heading| (*heading).to_owned()).collect();
        let lines = || std::iter::once(&headings).chain(&self.rows);
        let widest = |column: usize| {
            lines().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(widest).collect();
        let line = |row: &Vec<String>| {
            let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| pad(cell, *width)).collect();
            shorten(cells.join(GAP).trim_end(), columns, ellipsis).into_owned()
        };
        lines().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["NAME", "STATE"]);
        table.row(["bidder-js".to_owned(), "active".to_owned()]);
        table.row(["a".to_owned(), String::new()]);
        assert_eq!(table.text(80, '…'), "NAME       STATE\nbidder-js  active\na          -");
        assert_eq!(table.text(9, '…'), "NAME    …\nbidder-j…\na       …");
    }
}
