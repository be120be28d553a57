//! Server-sent events, as far as the server writes them: an event's name and its data.

use std::io::{self, BufRead, BufReader, Read};

/// One event's data may not be larger.
const DATA_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` when the server gave none.
    pub name: String,
    /// Its data, lines joined by line breaks.
    pub data: String,
}

/// Reads events until the stream ends.
#[derive(Debug)]
pub struct Events<R> {
    reader: BufReader<R>,
}

impl<R: Read> Events<R> {
    /// The events of a stream.
    pub fn new(stream: R) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// The next event; `None` when the stream has ended. One that was cut off is left out.
    ///
    /// # Errors
    /// When the stream breaks, or an event is over the bound.
    pub fn read(&mut self) -> io::Result<Option<Event>> {
        let (mut event, mut lines) = (Event { name: "message".to_owned(), data: String::new() }, 0);
        loop {
            let mut line = String::new();
            let left = DATA_BYTES_MAX.saturating_sub(event.data.len());
            if self.reader.by_ref().take(left as u64 + 1).read_line(&mut line)? == 0 {
                return Ok(None);
            }
            if line.len() > left {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "an event is too large"));
            }
            let line = line.trim_end_matches(['\r', '\n']);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() && lines > 0 => return Ok(Some(event)),
                "event" => value.clone_into(&mut event.name),
                "data" => {
                    if lines > 0 {
                        event.data.push('\n');
                    }
                    lines += 1;
                    event.data.push_str(value);
                }
                // Comments keep the connection alive; the cursor is not needed here.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_data_and_passes_comments_over() {
        let stream = ": alive\n\nid: 1\ndata: a\ndata: b\n\nevent: end\r\ndata:\r\n\r\ndata: cut";
        let mut events = Events::new(stream.as_bytes());
        let event = |name: &str, data: &str| Some(Event { name: name.into(), data: data.into() });
        assert_eq!(events.read().unwrap(), event("message", "a\nb"));
        assert_eq!(events.read().unwrap(), event("end", ""));
        assert_eq!(events.read().unwrap(), None);
    }
}
