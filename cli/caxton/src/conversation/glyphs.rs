//! The characters that a picture is drawn with: box drawing, or ASCII where the terminal shows nothing else.

/// One set of characters, each one column wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    pub(super) life: char,
    pub(super) line: char,
    pub(super) dashed: char,
    pub(super) crossing: char,
    pub(super) to_right: char,
    pub(super) to_left: char,
    pub(super) to_self: char,
    pub(super) lost: char,
    pub(super) fault: char,
    pub(super) ellipsis: char,
    pub(super) between: char,
}

impl Glyphs {
    /// Box drawing and arrows.
    pub const UNICODE: Self = Self {
        life: '│',
        line: '─',
        dashed: '╌',
        crossing: '┼',
        to_right: '▶',
        to_left: '◀',
        to_self: '↺',
        lost: '✕',
        fault: '✗',
        ellipsis: '…',
        between: '·',
    };
    /// ASCII only.
    pub const ASCII: Self = Self {
        life: '|',
        line: '-',
        dashed: '.',
        crossing: '+',
        to_right: '>',
        to_left: '<',
        to_self: '@',
        lost: 'x',
        fault: 'x',
        ellipsis: '~',
        between: '|',
    };

    /// The text as this set can show it: with [`Glyphs::ASCII`], any other character becomes `?`.
    pub(super) fn show(self, text: String) -> String {
        if self != Self::ASCII || text.is_ascii() {
            return text;
        }
        let shown = |found: char| match found {
            '…' => self.ellipsis,
            found if found.is_ascii() => found,
            _ => '?',
        };
        text.chars().map(shown).collect()
    }
}
