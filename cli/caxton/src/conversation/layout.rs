//! Where everything of a sequence diagram stands: lanes, names, reply labels and times.
//!
//! Neighbouring lanes are as far apart as the labels between them and their names ask for. Where that is too wide, first
//! the reply labels go, then the names stand in two rows, then the widest gaps shrink and texts are shortened. Lanes
//! that do not fit [`GAP_MIN`] apart are not drawn.

use super::{
    frame,
    names::Names,
    steps::{Message, Step, What},
};
use crate::text::{safe, shorten, width};

/// Closer lanes than this leave no room for the shortest act's name.
const GAP_MIN: usize = 10;
/// A label does not push its lanes further apart than this: beyond it the eye loses the line.
const GAP_MAX: usize = 30;
/// A longer name is shortened in the heading.
const NAME_COLUMNS_MAX: usize = 20;
/// A longer reply label is shortened.
const REPLY_COLUMNS_MAX: usize = 8;
/// Room beside a lone lane, for what is written beside it.
const BESIDE_LONE_LANE: usize = 30;
/// What an arrow takes in addition to its label: two of line, a space on each side, one of line, the head, the lane.
pub(super) const ARROW_COLUMNS: usize = 7;

/// The columns of a diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The column of each lane.
    pub lanes: Vec<usize>,
    /// The names over the lanes.
    pub headings: Vec<String>,
    /// One, or two where every other name stands a row higher.
    pub heading_rows: usize,
    /// The column after the picture, where the reply labels begin.
    pub picture_end: usize,
    /// The width of the reply labels; zero when none are shown.
    pub reply_columns: usize,
    /// The column after the times.
    pub end: usize,
}

impl Layout {
    /// The layout within so many columns; `None` when the lanes do not fit.
    pub fn of(names: &Names, steps: &[Step], whole_micros: i64, columns: usize) -> Option<Self> {
        let shown = names.all_shown();
        let name_columns: Vec<usize> = shown.iter().map(|name| width(name).min(NAME_COLUMNS_MAX)).collect();
        let left = name_columns.first().map_or(0, |name| name / 2).max(1);
        let right = match name_columns.as_slice() {
            [_] => BESIDE_LONE_LANE,
            lanes => lanes.last().map_or(0, |name| name / 2) + 1,
        };
        let times = steps.iter().map(|step| width(&frame::millis(step.micros, whole_micros)));
        let time = times.max().unwrap_or_default();
        let replies = steps.iter().map(|step| width(&reply(step))).max().unwrap_or_default();
        let room = columns.checked_sub(left + right + 1 + time + 1)?;

        let labelled = gaps_for_labels(names, steps, shown.len().saturating_sub(1));
        let one_row = gaps_for_headings(labelled.clone(), &name_columns, 1);
        let needed: usize = one_row.iter().sum();
        let reply_columns = if needed + replies < room { replies } else { 0 };
        let (gaps, heading_rows) = if needed <= room {
            let room = room - if reply_columns > 0 { reply_columns + 1 } else { 0 };
            (grown(one_row, room), 1)
        } else {
            (shrunk(gaps_for_headings(labelled, &name_columns, 2), room)?, 2)
        };
        let lanes: Vec<usize> = std::iter::once(left).chain(ends(&gaps, left)).collect();
        let picture_end = left + gaps.iter().sum::<usize>() + 1 + right;
        let reply_end = picture_end + if reply_columns > 0 { reply_columns + 1 } else { 0 };
        let headings = headings(&shown, &lanes, heading_rows);
        Some(Self { lanes, headings, heading_rows, picture_end, reply_columns, end: reply_end + time })
    }
}

/// The column at which each gap ends.
fn ends(gaps: &[usize], start: usize) -> impl Iterator<Item = usize> {
    gaps.iter().scan(start, |column, gap| {
        *column += gap;
        Some(*column)
    })
}

/// The distances at which every label fits its arrow.
fn gaps_for_labels(names: &Names, steps: &[Step], count: usize) -> Vec<usize> {
    let mut arrows: Vec<(usize, usize, usize)> = steps
        .iter()
        .filter_map(|step| match &step.what {
            What::Message(Message { from, to, label, .. }) => {
                let (from, to) = (names.lane(from), names.lane(to));
                Some((from.min(to), from.abs_diff(to), width(label) + ARROW_COLUMNS))
            }
            What::Trap { .. } | What::Transition { .. } => None,
        })
        .collect();
    // What the short arrows ask for often is enough for the long ones.
    arrows.sort_unstable_by_key(|(_, span, _)| *span);
    let mut gaps = vec![GAP_MIN; count];
    for (low, span, needed) in arrows {
        widen(&mut gaps, low, span, needed.min(GAP_MAX));
    }
    gaps
}

/// The distances at which names that stand in so many rows do not touch.
fn gaps_for_headings(mut gaps: Vec<usize>, name_columns: &[usize], rows: usize) -> Vec<usize> {
    for (lane, (name, next)) in name_columns.iter().zip(name_columns.iter().skip(rows)).enumerate() {
        widen(&mut gaps, lane, rows, (name + next) / 2 + 2);
    }
    gaps
}

/// Widens the gaps `low..low + span` evenly until together they are as wide as needed.
fn widen(gaps: &mut [usize], low: usize, span: usize, needed: usize) {
    let together: usize = gaps.iter().skip(low).take(span).sum();
    let Some(more) = needed.checked_sub(together).filter(|more| *more > 0) else { return };
    for gap in gaps.iter_mut().skip(low).take(span) {
        *gap += more.div_ceil(span.max(1));
    }
}

/// Gives room that is left to the narrowest gaps, until all are equal: even lanes are easier on the eye.
fn grown(mut gaps: Vec<usize>, room: usize) -> Vec<usize> {
    let widest = gaps.iter().copied().max().unwrap_or_default();
    while gaps.iter().sum::<usize>() < room {
        let Some(narrowest) = gaps.iter_mut().min().filter(|gap| **gap < widest) else { break };
        *narrowest += 1;
    }
    gaps
}

/// Takes from the widest gap until all fit into `room`; `None` when they cannot.
fn shrunk(mut gaps: Vec<usize>, room: usize) -> Option<Vec<usize>> {
    if gaps.len().checked_mul(GAP_MIN)? > room {
        return None;
    }
    while gaps.iter().sum::<usize>() > room {
        let widest = gaps.iter_mut().max()?;
        *widest -= 1;
    }
    Some(gaps)
}

/// The names, shortened where they would touch the next name in their row.
fn headings(shown: &[String], lanes: &[usize], rows: usize) -> Vec<String> {
    let named: Vec<(usize, usize)> =
        lanes.iter().copied().zip(shown.iter().map(|name| width(name).min(NAME_COLUMNS_MAX))).collect();
    // Half of the way to a neighbour in the row, or what a short neighbour leaves of the whole.
    let free = |lane: usize, neighbour: Option<&(usize, usize)>| {
        neighbour.map_or(NAME_COLUMNS_MAX, |(other, name)| {
            let half = lane.abs_diff(*other).saturating_sub(2);
            half.max((2 * half).saturating_sub(*name))
        })
    };
    let fitted = |(number, (name, (lane, _))): (usize, (&String, &(usize, usize)))| {
        let before = number.checked_sub(rows).and_then(|before| named.get(before));
        let after = named.get(number + rows);
        let columns = free(*lane, before).min(free(*lane, after)).min(NAME_COLUMNS_MAX);
        shorten(name, columns, '…').into_owned()
    };
    shown.iter().zip(&named).enumerate().map(fitted).collect()
}

/// The reply labels of a message: what it answers, and what its answer has to carry.
pub(super) fn reply(step: &Step) -> String {
    let What::Message(message) = &step.what else { return String::new() };
    let label = |sign: &str, text: &str| {
        let short = shorten(text, REPLY_COLUMNS_MAX, '…');
        (!text.is_empty()).then(|| safe(&format!("{sign}{short}")).into_owned())
    };
    let labels = [label("re ", &message.in_reply_to), label("#", &message.reply_with)];
    labels.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widest_gaps_shrink_first_and_none_below_the_least() {
        assert_eq!(shrunk(vec![22, 10, 12], 40), Some(vec![18, 10, 12]));
        assert_eq!(shrunk(vec![22, 10], 19), None);
    }

    #[test]
    fn room_that_is_left_makes_the_lanes_even() {
        assert_eq!(grown(vec![22, 10, 12], 60), vec![22, 19, 19]);
        assert_eq!(grown(vec![22, 10, 12], 100), vec![22, 22, 22]);
    }

    #[test]
    fn names_in_two_rows_may_be_as_wide_as_two_gaps() {
        let shown = ["manager".to_owned(), "bidder-swift".to_owned(), "bidder-steady".to_owned()];
        assert_eq!(headings(&shown, &[3, 13, 23], 2), shown);
        assert_eq!(headings(&shown, &[3, 13, 23], 1), ["manager", "bidder-…", "bidder-…"]);
        assert_eq!(headings(&shown, &[3, 17, 31], 1), ["manager", "bidder-swift", "bidder-stea…"]);
    }
}
