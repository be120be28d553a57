//! Reads the fields of a date from left to right.

/// The rest of a text that is being read.
pub(super) struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes() }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The byte `distance` ahead.
    pub(super) fn peek(&self, distance: usize) -> Option<u8> {
        self.rest.get(distance).copied()
    }

    /// Refuses anything that is left.
    pub(super) fn end(&self) -> Result<(), &'static str> {
        if self.is_done() { Ok(()) } else { Err("something follows the time") }
    }

    /// Takes `wanted` if it is next.
    pub(super) fn eat(&mut self, wanted: u8) -> bool {
        self.strip(&[wanted])
    }

    /// Takes `wanted` if it is next.
    pub(super) fn eat_all(&mut self, wanted: &str) -> bool {
        self.strip(wanted.as_bytes())
    }

    fn strip(&mut self, wanted: &[u8]) -> bool {
        let left = self.rest.strip_prefix(wanted);
        self.rest = left.unwrap_or(self.rest);
        left.is_some()
    }

    /// Takes exactly `width` decimal digits.
    pub(super) fn number(&mut self, width: usize) -> Option<u64> {
        let (digits, left) = self.rest.split_at_checked(width)?;
        let value = decimal(digits)?;
        self.rest = left;
        Some(value)
    }

    /// Takes all decimal digits that come next; `None` without one, or when the number is over 64 bits.
    pub(super) fn leading_number(&mut self) -> Option<u64> {
        self.number(self.digits_ahead())
    }

    /// Takes the digits of a fraction of a second, as milliseconds; `None` without a digit.
    pub(super) fn fraction_ms(&mut self) -> Option<u64> {
        let (digits, left) = self.rest.split_at_checked(self.digits_ahead())?;
        let mut places = digits.iter().map(|digit| u64::from(digit - b'0'));
        let first = places.next()?;
        self.rest = left;
        Some(first * 100 + places.next().unwrap_or(0) * 10 + places.next().unwrap_or(0))
    }

    fn digits_ahead(&self) -> usize {
        self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
