//! The content of a message: taken over once, shared by count, freed once.

use std::hint::black_box;

use caxton_abi::Payload;

use crate::{Failure, Step, stage::CONTENT};

/// Takes 256 bytes over, clones and slices them, and drops all three.
pub fn share() -> Result<Step, Failure> {
    Ok(Box::new(|| {
        let payload = black_box(Payload::from(CONTENT.as_slice()));
        let copy = black_box(payload.clone());
        let part = black_box(copy.slice(0, 16));
        if part.is_some() { Ok(()) } else { Err("the slice lies outside".to_owned()) }
    }))
}
