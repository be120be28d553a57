//! The W3C trace context: a `traceparent` header or metadata entry as text.

use caxton_abi::{TraceContext, Uid};

/// The header's name.
pub const NAME: &str = "traceparent";

/// The trace in a value, `VERSION-TRACE-SPAN-FLAGS` in lower-case hexadecimal digits; later versions may append fields.
/// `None` when the standard calls it invalid.
pub fn parse(text: &str) -> Option<TraceContext> {
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

/// The value of a trace, as [`parse`] reads it; `None` for a trace that is none.
pub fn write(context: &TraceContext) -> Option<String> {
    let TraceContext { trace, span, flags } = context;
    (!trace.is_none()).then(|| format!("00-{:032x}-{span:016x}-{flags:02x}", trace.to_u128()))
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
    fn what_is_written_is_what_was_read() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-00ad6b7169203331-01";
        assert_eq!(write(&parse(text).unwrap()).as_deref(), Some(text));
        assert_eq!(write(&TraceContext::default()), None);
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
