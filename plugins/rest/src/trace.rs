//! The W3C trace context of a request, from its `traceparent` header.

use axum::http::{HeaderMap, HeaderValue};
use caxton_plugin::{TraceContext, Uid};

/// The header's name.
pub(crate) const HEADER: &str = "traceparent";

/// The request's trace; `None` without the header or when it is not of version 00's form.
pub(crate) fn of(headers: &HeaderMap) -> Option<TraceContext> {
    headers.get(HEADER).and_then(read)
}

/// The trace in a header's value.
pub(crate) fn read(value: &HeaderValue) -> Option<TraceContext> {
    parse(value.to_str().ok()?)
}

/// `VERSION-TRACE-SPAN-FLAGS` in lower-case hexadecimal digits; later versions may append fields.
fn parse(text: &str) -> Option<TraceContext> {
    let mut fields = text.split('-');
    let mut number = |digits: usize| {
        let field = fields.next().filter(|field| field.len() == digits)?;
        let lower = field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        lower.then(|| u128::from_str_radix(field, 16).ok()).flatten()
    };
    let version = number(2).filter(|version| *version != 0xff)?;
    let trace = number(32).filter(|trace| *trace != 0)?;
    let span = number(16).filter(|span| *span != 0)?;
    let flags = number(2)?;
    if version == 0 && fields.next().is_some() {
        return None;
    }
    Some(TraceContext { trace: Uid::from_u128(trace), span: span as u64, flags: flags as u8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_trace_span_and_flags() {
        let context = parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(context.trace.to_u128(), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((context.span, context.flags), (0xb7ad_6b71_6920_3331, 1));
    }

    #[test]
    fn ignores_what_the_standard_calls_invalid() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
