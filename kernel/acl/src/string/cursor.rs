//! The lexer: reads words, strings, byte-length strings and expressions from bytes, and knows where it is.
//!
//! Nothing here recurses; an expression is skipped with a counter, so its depth costs no stack.

use crate::{
    error::{Error, Place, shown},
    limits,
};

/// A value as it stands in the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A word, number, string, or an expression kept as text.
    Text(String),
    /// A byte-length string that is not UTF-8.
    Bytes(Vec<u8>),
}

/// A position in the text.
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Skips white space and tells the offset of what follows.
    pub(super) fn next_offset(&mut self) -> usize {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.at
    }

    /// The byte after white space; `None` at the end of the text.
    pub(super) fn next_byte(&mut self) -> Option<u8> {
        self.next_offset();
        self.peek()
    }

    /// Takes `wanted` if it comes next after white space.
    pub(super) fn eat(&mut self, wanted: u8) -> bool {
        let found = self.next_byte() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Takes `(` and then the keyword (in any case).
    pub(super) fn open(&mut self, keyword: &str) -> Result<(), Error> {
        let place = Place::Byte(self.next_offset());
        let wanted = || format!("`({keyword} …)`");
        if !self.eat(b'(') {
            return Err(self.unexpected(wanted(), "write it in parentheses"));
        }
        let word = self.word(keyword)?;
        if word.eq_ignore_ascii_case(keyword) {
            return Ok(());
        }
        Err(Error::malformed(wanted(), format!("the word {}", shown(word)), "write it in parentheses")
            .at(place))
    }

    /// Takes a run of visible characters without parentheses: a word, a number, a date, a `:name`. `expected` says for
    /// an error what the run should be.
    pub(super) fn word(&mut self, expected: &str) -> Result<&'a str, Error> {
        let start = self.next_offset();
        self.skip_word();
        if self.at == start {
            return Err(self.unexpected(expected, "write it here"));
        }
        self.utf8(start, self.at)
    }

    /// Takes a value: word, string, byte-length string, or an expression as its text.
    pub(super) fn value(&mut self) -> Result<Value, Error> {
        match self.next_byte() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'#') => self.byte_length_string(),
            Some(b'(') => self.expression().map(|text| Value::Text(text.to_owned())),
            Some(b':' | b')') | None => Err(self.unexpected("a value", "write one, \"\" if it is empty")),
            Some(_) => self.word("a value").map(|word| Value::Text(word.to_owned())),
        }
    }

    /// Takes a value that has to be text.
    pub(super) fn text(&mut self) -> Result<String, Error> {
        let place = Place::Byte(self.next_offset());
        match self.value()? {
            Value::Text(text) => Ok(text),
            Value::Bytes(_) => {
                Err(Error::malformed("UTF-8", "other bytes", "only content may be bytes").at(place))
            }
        }
    }

    /// The error for what comes next.
    pub(super) fn unexpected(&mut self, expected: impl Into<String>, fix: &str) -> Error {
        let offset = self.next_offset();
        let found = match self.peek() {
            None => "the end of the text".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", char::from(byte)),
            Some(byte) => format!("byte 0x{byte:02x}"),
        };
        Error::malformed(expected, found, fix).at(Place::Byte(offset))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_word(&mut self) {
        let inside = |byte: &&u8| **byte > b' ' && **byte != 0x7f && !matches!(byte, b'(' | b')');
        self.at += self.text.iter().skip(self.at).take_while(inside).count();
    }

    /// Takes a string and undoes its escapes.
    fn string(&mut self) -> Result<String, Error> {
        let start = self.at + 1;
        self.skip_string()?;
        let inner = self.utf8(start, self.at.saturating_sub(1))?;
        Ok(inner.replace("\\\"", "\""))
    }

    /// Goes behind the closing quote; stands at the opening one.
    fn skip_string(&mut self) -> Result<(), Error> {
        let opening = self.at;
        let mut escaped = false;
        for (distance, byte) in self.text.iter().skip(opening + 1).enumerate() {
            match byte {
                b'"' if !escaped => {
                    self.at = opening + distance + 2;
                    return Ok(());
                }
                _ => escaped = *byte == b'\\',
            }
        }
        let fix = "close the string; a text that ends in \\ needs its byte length, as in #3\"ab\\";
        Err(Error::malformed("a closing `\"`", "the end of the text", fix).at(Place::Byte(opening)))
    }

    fn byte_length_string(&mut self) -> Result<Value, Error> {
        let (start, end) = self.skip_byte_length_string()?;
        let bytes = self.text.get(start..end).unwrap_or_default();
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(bytes.to_vec()),
        })
    }

    /// Goes behind `#<n>"<n bytes>` and tells where its bytes lie; stands at the `#`.
    fn skip_byte_length_string(&mut self) -> Result<(usize, usize), Error> {
        let place = Place::Byte(self.at);
        let digits = self.text.iter().skip(self.at + 1).take_while(|byte| byte.is_ascii_digit()).count();
        let quote = self.at + 1 + digits;
        let declared =
            std::str::from_utf8(self.text.get(self.at + 1..quote).unwrap_or_default()).unwrap_or_default();
        if self.text.get(quote) != Some(&b'"') {
            let found = "`#` without a length and a quote";
            let fix = "write the length in bytes, or put the text into quotes";
            return Err(Error::malformed("`#<length>\"<bytes>`", found, fix).at(place));
        }
        let start = quote + 1;
        let left = self.text.len().saturating_sub(start);
        let fix = "correct the length (in bytes, without a closing quote)";
        let length = declared.parse::<usize>().ok().filter(|length| *length <= left).ok_or_else(|| {
            Error::malformed(format!("{} bytes", shown(declared)), format!("{left} until the end"), fix)
                .at(place.clone())
        })?;
        self.at = start + length;
        if !matches!(self.peek(), None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')')) {
            return Err(Error::malformed(format!("{length} bytes"), "a longer text", fix).at(place));
        }
        Ok((start, self.at))
    }

    /// Takes an expression as its text; stands at the opening parenthesis.
    fn expression(&mut self) -> Result<&'a str, Error> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.next_byte() {
                Some(b'(') => {
                    depth += 1;
                    self.at += 1;
                    if depth > limits::NESTING_MAX {
                        return Err(self.too_deep());
                    }
                }
                Some(b')') => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        return self.utf8(start, self.at);
                    }
                }
                Some(b'"') => self.skip_string()?,
                Some(b'#') if self.is_byte_length_string() => drop(self.skip_byte_length_string()?),
                Some(byte) if byte > b' ' && byte != 0x7f => self.skip_word(),
                Some(_) => {
                    return Err(self.unexpected("an expression", "put control characters into a string"));
                }
                None => return Err(unclosed(start)),
            }
        }
    }

    /// True for `#<digits>"`; other words with `#` are the content language's.
    fn is_byte_length_string(&self) -> bool {
        let mut after = self.text.iter().skip(self.at + 1).skip_while(|byte| byte.is_ascii_digit());
        self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit) && after.next() == Some(&b'"')
    }

    fn too_deep(&self) -> Error {
        let max = limits::NESTING_MAX;
        let expected = format!("at most {max} levels of parentheses");
        Error::malformed(expected, "one more", "put the content into a string").at(Place::Byte(self.at - 1))
    }

    fn utf8(&self, start: usize, end: usize) -> Result<&'a str, Error> {
        let bytes = self.text.get(start..end).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|error| {
            let offset = error.valid_up_to();
            let found = bytes.get(offset).map_or_else(String::new, |byte| format!("byte 0x{byte:02x}"));
            let fix = "write UTF-8; byte content is base64 with :X-JADE-Encoding Base64";
            Error::malformed("UTF-8", found, fix).at(Place::Byte(start + offset))
        })
    }
}

/// The error for a parenthesis at `offset` that nothing closes.
pub(super) fn unclosed(offset: usize) -> Error {
    let fix = "close the parenthesis that opens here";
    Error::malformed("`)`", "the end of the text", fix).at(Place::Byte(offset))
}
