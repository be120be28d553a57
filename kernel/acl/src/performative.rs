//! The 22 communicative acts (SC00037), the only mandatory part of a message.
//!
//! Labels of protocol diagrams such as `inform-done` are not acts; their error names the act that they stand for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    error::{Error, Place, shown},
    nearest::nearest,
};

macro_rules! acts {
    ($($name:ident = $code:literal, $text:literal, $doc:literal;)*) => {
        /// A communicative act; the number is its code in SC00069, alphabetical from 1.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Performative {
            $(#[doc = $doc] $name = $code,)*
        }

        impl Performative {
            /// Every act, in the order of the codes.
            pub const ALL: [Self; 22] = [$(Self::$name,)*];

            /// The act in lower case, as in `accept-proposal`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The act of an SC00069 code, 1 to 22; `None` for any other number.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

acts! {
    AcceptProposal = 1, "accept-proposal", "Accepts a proposal made before.";
    Agree = 2, "agree", "Agrees to do what was asked.";
    Cancel = 3, "cancel", "Withdraws what was asked.";
    Cfp = 4, "cfp", "Calls for proposals.";
    Confirm = 5, "confirm", "Confirms what the receiver was unsure of.";
    Disconfirm = 6, "disconfirm", "Denies what the receiver believed.";
    Failure = 7, "failure", "Tells that an action was tried and failed.";
    Inform = 8, "inform", "Tells that something is true; empty content means done.";
    InformIf = 9, "inform-if", "Macro act: inform whether something is true; content of a request.";
    InformRef = 10, "inform-ref", "Macro act: inform what something is; content of a request.";
    NotUnderstood = 11, "not-understood", "Tells that a message was not understood; the one compulsory act.";
    Propagate = 12, "propagate", "Asks to treat the embedded message as received and to pass it on.";
    Propose = 13, "propose", "Proposes to act under conditions.";
    Proxy = 14, "proxy", "Asks to choose agents and to send them the embedded message.";
    QueryIf = 15, "query-if", "Asks whether something is true.";
    QueryRef = 16, "query-ref", "Asks what something is.";
    Refuse = 17, "refuse", "Refuses to act, with the reason.";
    RejectProposal = 18, "reject-proposal", "Rejects a proposal made before.";
    Request = 19, "request", "Asks to act.";
    RequestWhen = 20, "request-when", "Asks to act once something becomes true.";
    RequestWhenever = 21, "request-whenever", "Asks to act each time something becomes true.";
    Subscribe = 22, "subscribe", "Asks to be told of a value and of its changes.";
}

/// Labels of protocol diagrams that are often taken for acts, and the acts they stand for.
const DIAGRAM_LABELS: [(&str, Performative); 4] = [
    ("inform-done", Performative::Inform),
    ("inform-result", Performative::Inform),
    ("failure-no-match", Performative::Failure),
    ("failure-proxy", Performative::Failure),
];

impl Performative {
    /// The code in SC00069, 1 to 22.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// True for the acts that ask, whose `reply-by` bounds the answer.
    pub const fn expects_reply(self) -> bool {
        matches!(
            self,
            Self::Cfp
                | Self::Proxy
                | Self::QueryIf
                | Self::QueryRef
                | Self::Request
                | Self::RequestWhen
                | Self::RequestWhenever
                | Self::Subscribe
        )
    }

    /// All acts, separated by commas, for error messages.
    pub(crate) fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str().eq_ignore_ascii_case(text))
    }

    fn nearest(text: &str) -> Option<Self> {
        let label = DIAGRAM_LABELS.iter().find(|(label, _)| label.eq_ignore_ascii_case(text));
        label.map(|(_, act)| *act).or_else(|| nearest(text, Self::ALL.map(Self::as_str)).and_then(Self::of))
    }
}

impl fmt::Display for Performative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Case does not matter (SC00070; JADE writes upper case).
impl FromStr for Performative {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::of(text).ok_or_else(|| Error::UnknownPerformative {
            place: Place::Unknown,
            found: shown(text),
            nearest: Self::nearest(text),
        })
    }
}

impl Serialize for Performative {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Performative {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_sc00069_and_names_are_alphabetical() {
        for (index, act) in Performative::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(act.code()), index + 1);
            assert_eq!(Performative::from_code(act.code()), Some(act));
        }
        assert!(Performative::ALL.map(Performative::as_str).is_sorted());
        assert_eq!([Performative::from_code(0), Performative::from_code(23)], [None, None]);
    }

    #[test]
    fn reads_acts_in_any_case() {
        for act in Performative::ALL {
            assert_eq!(act.as_str().to_uppercase().parse(), Ok(act));
        }
    }

    #[test]
    fn unknown_act_names_the_nearest_and_lists_all() {
        let text = "reqest".parse::<Performative>().unwrap_err().to_string();
        assert!(
            text.starts_with("\"reqest\" is not a communicative act, the nearest is `request`; use one of"),
            "{text}"
        );
        assert!(Performative::ALL.iter().all(|act| text.contains(act.as_str())), "{text}");
    }

    #[test]
    fn labels_of_diagrams_point_to_their_act() {
        let text = "INFORM-DONE".parse::<Performative>().unwrap_err().to_string();
        assert!(text.contains("the nearest is `inform`;"), "{text}");
    }

    #[test]
    fn serde_form_is_the_lower_case_name() {
        assert_eq!(serde_json::to_string(&Performative::Cfp).unwrap(), "\"cfp\"");
        assert_eq!(serde_json::from_str::<Performative>("\"CFP\"").unwrap(), Performative::Cfp);
        assert!(serde_json::from_str::<Performative>("\"call\"").is_err());
    }

    #[test]
    fn acts_that_ask_expect_a_reply() {
        let asking: Vec<_> = Performative::ALL
            .into_iter()
            .filter(|act| act.expects_reply())
            .map(Performative::as_str)
            .collect();
        assert_eq!(
            asking,
            [
                "cfp",
                "proxy",
                "query-if",
                "query-ref",
                "request",
                "request-when",
                "request-whenever",
                "subscribe"
            ]
        );
    }
}
