//! Spells out transitions, which ports and rings carry as two symbols: their text is made when signals are drained, not
//! for every message.

use std::collections::HashMap;

use caxton_abi::{EventName, Payload, Signal};
use foldhash::fast::RandomState;

/// Different transitions whose texts are kept; the protocols' tables have fewer.
const TEXTS_MAX: usize = 4_096;

/// The texts made so far.
#[derive(Default)]
pub(crate) struct Wording(HashMap<u64, Payload, RandomState>);

impl Wording {
    /// Gives every transition its text; `name` names symbols.
    pub(crate) fn spell(&mut self, signals: &mut [Signal], name: impl Fn(u32) -> Option<String>) {
        for signal in signals {
            if signal.name == EventName::CONVERSATION_TRANSITION && signal.value != 0 {
                signal.text = self.text(std::mem::take(&mut signal.value), &name);
            }
        }
    }

    fn text(&mut self, step: u64, name: &impl Fn(u32) -> Option<String>) -> Payload {
        if let Some(text) = self.0.get(&step) {
            return text.clone();
        }
        if self.0.len() >= TEXTS_MAX {
            self.0.clear();
        }
        let [from, to] = [step >> 32, step].map(|half| name(half as u32).unwrap_or_default());
        let text = Payload::from(format!("{from} > {to}"));
        self.0.insert(step, text.clone());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_gets_its_text_and_other_signals_stay() {
        let name = |symbol| Some(format!("S{symbol}"));
        let step =
            Signal { name: EventName::CONVERSATION_TRANSITION, value: 3 << 32 | 4, ..Signal::default() };
        let spelt = Signal { value: 0, text: Payload::from("A > B".to_owned()), ..step.clone() };
        let other = Signal { name: EventName::TURN, value: 9, ..Signal::default() };
        let mut signals = [step.clone(), step, spelt.clone(), other.clone()];
        Wording::default().spell(&mut signals, name);
        assert_eq!(signals[0].text.as_slice(), b"S3 > S4");
        assert_eq!((&signals[1], signals[0].value), (&signals[0], 0));
        assert_eq!(signals[2..], [spelt, other]);
    }
}
