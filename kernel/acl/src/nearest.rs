//! Finds the known word that a misspelt one most likely meant, for error messages.

/// Characters of the misspelt word that are compared; no known word is longer.
const COMPARED_CHARS_MAX: usize = 32;

/// The candidate with the smallest edit distance, if at most half of the longer word would have to change.
pub(crate) fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found: Vec<char> = found.chars().flat_map(char::to_lowercase).take(COMPARED_CHARS_MAX).collect();
    candidates
        .into_iter()
        .map(|candidate| (distance(&found, candidate), candidate))
        .filter(|(distance, candidate)| distance * 2 <= found.len().max(candidate.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, with one row of the table kept.
fn distance(found: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=found.len()).collect();
    for (line, wanted) in candidate.chars().enumerate() {
        let mut left = line + 1;
        let mut diagonal = line;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (have, above) in found.iter().zip(row.iter().skip(1)) {
            let change = diagonal + usize::from(*have != wanted);
            left = change.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_insertions_deletions_and_changes() {
        let of = |a: &str, b| distance(&a.chars().collect::<Vec<_>>(), b);
        assert_eq!(
            [
                of("cfp", "cfp"),
                of("", "abc"),
                of("abc", ""),
                of("kitten", "sitting"),
                of("reciever", "receiver")
            ],
            [0, 3, 3, 3, 2]
        );
    }

    #[test]
    fn names_nothing_when_nothing_is_near() {
        assert_eq!(nearest("xyzzy", ["cfp", "inform"]), None);
        assert_eq!(nearest("reciever", ["sender", "receiver"]), Some("receiver"));
    }
}
