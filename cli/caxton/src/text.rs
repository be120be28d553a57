//! Text from outside made safe and fitting for a terminal: no escapes, no line breaks, a width that is known.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text without anything that could move the cursor, colour the screen or turn the direction of writing.
///
/// Line breaks and tabs become a space, any other such character becomes U+FFFD.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let shown = |found: char| match found {
        '\n' | '\r' | '\t' => ' ',
        found if is_unsafe(found) => '\u{FFFD}',
        found => found,
    };
    Cow::Owned(text.chars().map(shown).collect())
}

fn is_unsafe(found: char) -> bool {
    let turns_direction = matches!(found, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}');
    found.is_control() || turns_direction
}

/// Columns that the text takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Columns that the character takes on a terminal, 0 to 2.
pub(crate) fn char_width(found: char) -> usize {
    found.width().unwrap_or(0)
}

/// The text if it fits into `columns`, else its beginning with `ellipsis` at the end; empty for zero columns.
pub fn shorten(text: &str, columns: usize, ellipsis: char) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut left = columns.saturating_sub(char_width(ellipsis));
    let mut short = String::new();
    for found in text.chars() {
        let taken = char_width(found);
        if taken > left {
            break;
        }
        left -= taken;
        short.push(found);
    }
    if columns > 0 {
        short.push(ellipsis);
    }
    Cow::Owned(short)
}

/// The text followed by spaces up to `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_hostile_name_do_not_reach_the_terminal() {
        assert_eq!(safe("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{FFFD}[2Jb c\u{FFFD}d");
        assert_eq!(safe("größe 价格"), "größe 价格");
    }

    #[test]
    fn shortens_by_columns_and_not_by_characters() {
        assert_eq!(shorten("bidder-js", 9, '…'), "bidder-js");
        assert_eq!(shorten("bidder-js", 5, '…'), "bidd…");
        assert_eq!(shorten("价格价格", 5, '…'), "价格…");
        assert_eq!(shorten("abc", 0, '…'), "");
    }
}
