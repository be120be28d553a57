//! The same record as a Mermaid sequence diagram, to paste into a page that draws it.

use super::{
    Conversation, frame,
    names::Names,
    steps::{Message, What, steps},
};

/// Writes the diagram in Mermaid's language, without a line break at its end.
pub fn mermaid(conversation: &Conversation) -> String {
    let steps = steps(conversation);
    let names = Names::of(conversation, &steps);
    let lanes = names.all_shown().into_iter().enumerate();
    let mut lines = vec!["sequenceDiagram".to_owned()];
    lines.extend(lanes.map(|(number, name)| format!("    participant a{number} as {}", escaped(&name))));
    let whole_micros = frame::duration_micros(conversation, &steps);
    lines.extend(steps.iter().filter_map(|step| {
        let time = frame::millis(step.micros, whole_micros);
        match &step.what {
            What::Message(message) => Some(arrow(message, &names, &time)),
            What::Trap { agent, kind } => {
                Some(format!("    Note over a{}: trap: {} ({time})", names.lane(agent), escaped(kind)))
            }
            What::Transition { .. } => None,
        }
    }));
    lines.join("\n")
}

fn arrow(message: &Message, names: &Names, time: &str) -> String {
    let sign = match (message.by_server, message.lost) {
        (false, false) => "->>",
        (true, false) => "-->>",
        (false, true) => "-x",
        (true, true) => "--x",
    };
    let note = if message.note.is_empty() { String::new() } else { format!(" ({})", message.note) };
    let text = escaped(&format!("{}{note}", message.label));
    format!("    a{}{sign}a{}: {text} ({time})", names.lane(&message.from), names.lane(&message.to))
}

/// Mermaid reads `#` as the begin of an entity, `;` as the end of a line, and `<` as markup.
fn escaped(text: &str) -> String {
    let shown = |found: char| match found {
        '#' | ';' | '<' | '>' => format!("#{};", u32::from(found)),
        found => found.to_string(),
    };
    crate::text::safe(text).chars().map(shown).collect()
}
