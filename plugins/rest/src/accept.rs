//! Which form of an answer the client asks for: one document, or a stream of events.

use axum::http::{HeaderMap, StatusCode, header};
use caxton_plugin::Code;

use crate::problem::Problem;

/// The media type of server-sent events.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// A form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON document.
    Document,
    /// Server-sent events.
    Stream,
}

/// The form that a request asks for. A stream is only given to who names it; what is preferred is not weighed beyond that.
///
/// # Errors
/// 406 when the client takes neither of the two.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let mut named = false;
    let mut takes_json = false;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(text) = value.to_str() else { return Err(neither()) };
        for range in text.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            named = true;
            let (media, refused) = read(range);
            if refused {
                continue;
            }
            if media.eq_ignore_ascii_case(EVENT_STREAM) {
                return Ok(Form::Stream);
            }
            takes_json |= ["*/*", "application/*", "application/json"]
                .iter()
                .any(|own| media.eq_ignore_ascii_case(own));
        }
    }
    if named && !takes_json { Err(neither()) } else { Ok(Form::Document) }
}

/// A range's media type, and whether its weight is zero.
fn read(range: &str) -> (&str, bool) {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (media, weight.and_then(|text| text.parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0))
}

fn neither() -> Problem {
    let detail = format!(
        "Accept takes neither application/json nor {EVENT_STREAM}, and nothing else is given; name one"
    );
    Problem::new(Code::MEDIA_TYPE, detail).status(StatusCode::NOT_ACCEPTABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&str]) -> Option<Form> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        form(&headers).ok()
    }

    #[test]
    fn a_stream_is_given_to_who_names_it() {
        for values in [
            &["text/event-stream"][..],
            &["application/json, text/event-stream"],
            &["application/json", "Text/Event-Stream;q=0.5"],
        ] {
            assert_eq!(asked(values), Some(Form::Stream), "{values:?}");
        }
    }

    #[test]
    fn anything_that_takes_json_gets_a_document() {
        for values in [
            &[][..],
            &[""],
            &["*/*"],
            &["text/html,application/xhtml+xml,*/*;q=0.8"],
            &["application/json"],
            &["text/event-stream;q=0, application/*"],
        ] {
            assert_eq!(asked(values), Some(Form::Document), "{values:?}");
        }
    }

    #[test]
    fn who_takes_neither_is_refused() {
        for values in [
            &["text/html"][..],
            &["application/xml;q=0.9"],
            &["text/event-stream; q=0"],
            &["application/json;q=0"],
        ] {
            assert_eq!(asked(values), None, "{values:?}");
        }
    }
}
