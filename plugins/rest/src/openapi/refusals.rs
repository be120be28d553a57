//! Which refusals an operation can answer with: sets of statuses, named for why.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{Ref, RefOr, Response},
};

/// What each status says, over all operations.
pub(super) const STATUSES: [(u16, &str); 16] = [
    (400, "The request is not valid; the detail names the place."),
    (403, "Not allowed: a foreign Host or Origin, a forged sender, a grant that is missing."),
    (404, "There is nothing of that name, or nobody answers to it."),
    (406, "The client takes neither JSON nor a stream of events."),
    (408, "The body, or an answer that a protocol waits for, did not come in time."),
    (409, "It contradicts what there is: a name or an id that is in use, a state that does not allow it."),
    (410, "The message's reply-by passed before it was delivered."),
    (413, "The body, the content or the component is larger than the limit."),
    (415, "The body has another media type."),
    (422, "It was understood and cannot be done; the code says why."),
    (429, "A queue or a table is full; `Retry-After` says when to try again."),
    (500, "A fault of the server, or a plugin's or store's; the log has it under the trace id."),
    (502, "The agent that had taken the work was lost."),
    (503, "A plugin or a store does not run, or the server stops; `Retry-After` says when to try again."),
    (504, "No answer in time."),
    (507, "The store's disk is full."),
];

/// A set of statuses whose answers are problem documents.
macro_rules! refusals {
    ($($(#[$about:meta])* $name:ident = [$($status:literal),*];)*) => {
        $(
            $(#[$about])*
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    [$($status),*].into_iter().map(|status: u16| (status.to_string(), reference(status))).collect()
                }
            }
        )*
    };
}

refusals! {
    /// Of every operation.
    Refusals = [400, 403, 429, 500, 503, 504];
    /// Of an operation that reads a body.
    BodyRefusals = [408, 413, 415];
    /// Of an operation on something that may not be there.
    NotThere = [404];
    /// Of an operation that what there is may contradict.
    Conflicts = [409];
    /// Of an operation that looks into what it is given.
    Unfit = [422];
    /// Of an operation that gives a document or a stream.
    OtherForms = [406];
    /// Of an operation on an attachment, which may have been lost.
    Lost = [502];
    /// Of an operation that sends messages and tells what became of them.
    Undelivered = [404, 409, 410, 422, 408, 502, 507];
}

fn reference(status: u16) -> RefOr<Response> {
    RefOr::Ref(Ref::new(format!("#/components/responses/{status}")))
}
