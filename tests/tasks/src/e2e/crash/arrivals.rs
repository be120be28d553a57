//! What arrived: the lines of the journal plugin, by the id of the message that a client sent.

use std::{collections::BTreeMap, fs, path::Path};

/// The bit of a line's flags that says that the message may have been handed out before.
const REDELIVERED: u64 = 2;

/// The journal's lines.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// For each client's id, whether each of its lines carries the flag, in the order of the file.
    pub lines: BTreeMap<String, Vec<bool>>,
    /// Lines whose message came with another id than its content says.
    pub changed: Vec<String>,
    /// Lines without an end, which a killed process left.
    pub torn: usize,
}

impl Arrivals {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read(file).map_err(|why| format!("cannot read {}: {why}", file.display()))?;
        Ok(Self::of(&String::from_utf8_lossy(&text)))
    }

    fn of(text: &str) -> Self {
        let mut arrivals = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, flags, _, _, id, content] = words.as_slice() else {
                arrivals.torn += 1;
                continue;
            };
            if content.len() != id.len() {
                arrivals.torn += 1;
                continue;
            }
            if content != id {
                arrivals.changed.push(line.to_owned());
            }
            let flagged = flags.parse().is_ok_and(|flags: u64| flags & REDELIVERED != 0);
            arrivals.lines.entry((*id).to_owned()).or_default().push(flagged);
        }
        arrivals
    }

    /// Ids that came more than once, and how many further lines they have.
    pub fn repeated(&self) -> (usize, usize) {
        let more: Vec<usize> =
            self.lines.values().map(|lines| lines.len() - 1).filter(|more| *more > 0).collect();
        (more.len(), more.iter().sum())
    }

    /// Ids that came again without the flag.
    pub fn unflagged(&self) -> Vec<&str> {
        let bare = |lines: &Vec<bool>| lines.iter().skip(1).any(|flagged| !flagged);
        self.lines.iter().filter(|(_, lines)| bare(lines)).map(|(id, _)| id.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_without_the_flag_is_found() {
        let arrivals = Arrivals::of(
            "\n1 0 1 relay@x aa aa\n2 2 2 relay@x aa aa\n3 0 1 relay@x bb bb\n4 0 1 relay@x bb bb\n",
        );
        assert_eq!(arrivals.repeated(), (2, 2));
        assert_eq!(arrivals.unflagged(), ["bb"]);
    }

    #[test]
    fn a_line_without_its_end_is_no_arrival_and_another_id_is_told() {
        let arrivals = Arrivals::of("1 0 1 relay@x aa a\n2 0 1 relay@x aa bb\n3 0 1 re");
        assert_eq!((arrivals.torn, arrivals.changed.len(), arrivals.lines.len()), (2, 1, 1));
    }
}
