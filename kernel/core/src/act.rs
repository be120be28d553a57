//! What the bus asks of a message's act, by its code in SC00069.

use caxton_acl::Performative;

/// `failure`.
pub(crate) const FAILURE: u8 = Performative::Failure.code();
/// `not-understood`.
pub(crate) const NOT_UNDERSTOOD: u8 = Performative::NotUnderstood.code();

/// True for one of the 22 acts of SC00037.
pub(crate) fn is_known(code: u8) -> bool {
    Performative::from_code(code).is_some()
}

/// True for the acts that ask, whose reply-by bounds the answer.
pub(crate) fn expects_reply(code: u8) -> bool {
    Performative::from_code(code).is_some_and(Performative::expects_reply)
}
