//! Looks at what a server tells of itself and says what is wrong with it: evidence first, then pure judgement.
//!
//! ```text
//!   gather (client, this machine) ─▶ Evidence ─▶ findings (pure) ─▶ text, JSON, exit code
//!                                       └─▶ bundle (tar.gz of the same documents)
//! ```
//!
//! The same evidence is what a bundle holds, so a bundle can be judged elsewhere and later. It never has contents of
//! messages or secrets.

pub mod bundle;
pub mod evidence;
pub mod findings;

pub use evidence::Evidence;
pub use findings::{Finding, Severity};
