//! Names of parameters: the twelve of SC00061 beside the act, and what a user parameter may be called.

use crate::{
    error::{Error, shown, within},
    limits,
    nearest::nearest,
};

/// The parameters of SC00061 other than the act, in the order in which the codecs write them.
pub const PARAMETERS: [&str; 12] = [
    "sender",
    "receiver",
    "reply-to",
    "content",
    "language",
    "encoding",
    "ontology",
    "protocol",
    "conversation-id",
    "reply-with",
    "in-reply-to",
    "reply-by",
];

/// Marks base64 content in the string codec, as JADE does; the codec owns it, so it is not a user parameter.
pub const CONTENT_ENCODING: &str = "X-JADE-Encoding";

/// True for names that start with `X-` in either case.
pub fn is_user(name: &str) -> bool {
    name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
}

/// Checks a user parameter's name and the size of its value.
///
/// # Errors
/// `X-` is missing, the name is empty, too long or has a character other than visible ASCII without quotes and
/// parentheses, the name belongs to the string codec, or the value is larger than [`limits::PARAM_BYTES_MAX`].
pub fn check(name: &str, value: &str) -> Result<(), Error> {
    let fix = "name it `X-` and letters, digits or -";
    if !is_user(name) {
        return Err(Error::malformed("a user parameter's name with `X-` in front", shown(name), fix));
    }
    within("a parameter's name", "bytes", name.len(), limits::PARAM_NAME_BYTES_MAX)?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'"');
    if name.len() == 2 || !name.bytes().all(plain) {
        return Err(Error::malformed("a user parameter's name of visible ASCII", shown(name), fix));
    }
    if name.eq_ignore_ascii_case(CONTENT_ENCODING) {
        return Err(Error::malformed(
            "a name that is not reserved",
            shown(name),
            "set byte content, the codec then writes it",
        ));
    }
    within(&format!("the user parameter {}", shown(name)), "bytes", value.len(), limits::PARAM_BYTES_MAX)
}

/// Checks a list of user parameters: each by [`check`], their number, and that no name stands twice (in any case).
pub(crate) fn check_all(params: &[(String, String)]) -> Result<(), Error> {
    within("user parameters", "entries", params.len(), limits::PARAMS_MAX)?;
    for (index, (name, value)) in params.iter().enumerate() {
        check(name, value)?;
        if params.iter().take(index).any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(twice(name));
        }
    }
    Ok(())
}

/// The error for a parameter that stands twice.
pub(crate) fn twice(name: &str) -> Error {
    Error::malformed("each parameter once", format!("{} again", shown(name)), "remove one of the two")
}

/// The error for a parameter that `known` does not hold.
pub(crate) fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let fix = match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`? user parameters start with `X-`"),
        None => "user parameters start with `X-`".to_owned(),
    };
    Error::malformed("a known parameter", shown(name), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_a_codec_could_not_write() {
        for name in ["trace", "X-", "X-a b", "X-a(", "X-a\"", "X-ä", "X-a\n", "x-jade-encoding", ""] {
            assert!(check(name, "").is_err(), "{name}");
        }
        assert!(check(&format!("X-{}", "a".repeat(127)), "").is_err());
        assert!(check("X-a", &"v".repeat(limits::PARAM_BYTES_MAX + 1)).is_err());
        assert_eq!(check("x-caxton-round", "2"), Ok(()));
    }

    #[test]
    fn refuses_a_name_twice_in_any_case() {
        let params = [("X-a".to_owned(), String::new()), ("x-A".to_owned(), String::new())];
        assert!(check_all(&params).is_err());
    }
}
