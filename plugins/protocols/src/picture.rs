//! The picture of a protocol for the documentation, drawn from its table.

use std::fmt::Write;

use crate::table::{Event, Next, Role, Row, State, Table};

/// Draws a table as a Mermaid state diagram. Rows that lead nowhere are left out.
pub fn mermaid(table: &Table) -> String {
    let mut text = String::from("stateDiagram-v2\n");
    for row in table.rows {
        let to = match row.next {
            Next::To(state) => state.name(),
            Next::Back => "BEFORE_CANCEL",
            Next::Same | Next::Behind(_) => continue,
        };
        let from = if row.state == State::Start { "[*]" } else { row.state.name() };
        // A String takes all that is written to it.
        let _ = writeln!(text, "    {from} --> {to}: {} {}", row.number, label(row));
    }
    for state in State::ALL {
        if state.is_final() && table.rows.iter().any(|row| row.next == Next::To(*state)) {
            let _ = writeln!(text, "    {} --> [*]", state.name());
        }
    }
    text
}

fn label(row: &Row) -> String {
    let guard = match row.guard {
        crate::table::Guard::Always | crate::table::Guard::Timely => String::new(),
        guard => format!(" ({guard:?})"),
    };
    let event = match row.event {
        Event::Says(Role::Initiator, act) => format!("I {act}"),
        Event::Says(Role::Participant, act) => format!("P {act}"),
        Event::Deadline => "deadline".to_owned(),
        Event::Undelivered(act) => format!("{act} undelivered"),
        Event::ParticipantLost => "P lost".to_owned(),
        Event::InitiatorLost => "I lost".to_owned(),
        Event::Dismissed => "left unanswered".to_owned(),
    };
    event + &guard
}
