//! The plugin against a server that is scripted.

mod attachments;
mod bench;
mod jobs;
mod nets;
