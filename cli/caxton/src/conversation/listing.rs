//! The same record as a table, for narrow terminals and for those who would rather read than look.

use super::{
    Conversation, Options, frame,
    layout::reply,
    names::Names,
    steps::{What, steps},
};
use crate::table::Table;

/// Lists messages, traps and changes of state, one in each line, in order of time.
pub fn listing(conversation: &Conversation, options: Options) -> String {
    let steps = steps(conversation);
    let names = Names::of(conversation, &steps);
    let whole_micros = frame::duration_micros(conversation, &steps);
    let replies: Vec<String> = steps.iter().map(reply).collect();
    // Most conversations of one round need no labels to be read.
    let reply_heading = if replies.iter().all(String::is_empty) { None } else { Some("REPLY") };
    let mut table = Table::new(["TIME", "FROM", "TO", "WHAT"].into_iter().chain(reply_heading));
    for (step, reply) in steps.iter().zip(replies) {
        let (from, to, what) = match &step.what {
            What::Message(message) => {
                let note =
                    if message.note.is_empty() { String::new() } else { format!(" ({})", message.note) };
                let what = format!("{}{note}", message.label);
                (names.shown(&message.from), names.shown(&message.to), what)
            }
            What::Trap { agent, kind } => (names.shown(agent), String::new(), format!("trap: {kind}")),
            What::Transition { agent, text } => (names.shown(agent), String::new(), format!("state {text}")),
        };
        table.row([frame::millis(step.micros, whole_micros), from, to, what, reply]);
    }
    let mut lines = vec![frame::title(conversation, options.glyphs, options.columns), String::new()];
    lines.push(table.text(options.columns, options.glyphs.ellipsis));
    lines.push(String::new());
    lines.extend(frame::closing(conversation, &steps, &names, options));
    options.glyphs.show(lines.join("\n"))
}
