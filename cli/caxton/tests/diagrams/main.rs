//! The pictures of a conversation, each from a record as a server gives it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod records;

use caxton_cli::{
    Conversation, Options,
    conversation::{Glyphs, listing, mermaid},
    render,
};
use serde_json::json;

use crate::records::{auction, event, late_bid, normal, sent, six_lanes, trap, with};

#[test]
fn auction_of_three_bidders() {
    insta::assert_snapshot!(render(&normal(), Options::default()), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 · fipa-contract-net · 2026-11-20T12:00:00Z

    manager              bidder-rs             bidder-js             bidder-py
       │── cfp ─────────────▶│                     │                     │     0.01 ms
       │── cfp ──────────────┼────────────────────▶│                     │     0.10 ms
       │── cfp ──────────────┼─────────────────────┼────────────────────▶│     0.12 ms
       │◀─ propose 12 ───────│                     │                     │     0.40 ms
       │◀─ propose 9 ────────┼─────────────────────│                     │     0.90 ms
       │◀─ refuse busy ──────┼─────────────────────┼─────────────────────│     2.10 ms
       │── accept-proposal ──┼────────────────────▶│                     │     2.20 ms
       │── reject-proposal ─▶│                     │                     │     2.21 ms
       │◀─ inform lines 10 ──┼─────────────────────│                     │     3.00 ms
       │                     │                     │                     │

    sessions: bidder-rs REJECTED · bidder-js DONE · bidder-py REFUSED
    completed after 3.21 ms · 9 messages
    ");
}

#[test]
fn late_bid_ends_in_a_cross_and_its_reject_is_dashed() {
    insta::assert_snapshot!(render(&late_bid(), Options::default()), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 · fipa-contract-net · 2026-11-20T12:00:00Z

    manager              bidder-rs               slow
       │── cfp ─────────────▶│                     │      0.0 ms
       │── cfp ──────────────┼────────────────────▶│      0.0 ms
       │◀─ propose 12 ───────│                     │      0.4 ms
       │── accept-proposal ─▶│                     │   2000.1 ms
       │✕─ propose 3 ────────┼─────────────────────│   2104.2 ms
       │   (late, withheld by the server)          │
       │╌╌ reject-proposal (server: late) ╌╌╌╌╌╌╌╌▶│   2104.3 ms
       │◀─ inform done ──────│                     │   2300.0 ms
       │                     │                     │

    sessions: bidder-rs DONE · slow LATE
    completed after 2300.5 ms · 7 messages
    ");
}

#[test]
fn trap_then_failure_on_behalf_then_the_runner_up() {
    insta::assert_snapshot!(render(&trap(), Options::default()), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 · fipa-contract-net · 2026-11-20T12:00:00Z

    manager            troublemaker            bidder-js
       │── cfp ─────────────▶│                     │     0.01 ms
       │── cfp ──────────────┼────────────────────▶│     0.02 ms
       │◀─ propose 1 ────────│                     │     0.30 ms
       │◀─ propose 9 ────────┼─────────────────────│     0.40 ms
       │── accept-proposal ─✕│                     │     0.50 ms
       │   (redelivered, dead letter: poison)      │
       │                     ✗ trap: unreachable   │     0.90 ms
       │◀╌ failure ╌╌╌╌╌╌╌╌╌╌│                     │     1.00 ms
       │   (server: agent-lost)                    │
       │── accept-proposal ──┼────────────────────▶│     1.20 ms
       │◀─ inform lines 10 ──┼─────────────────────│     2.90 ms
       │                     │                     │

    sessions: troublemaker FAILED · bidder-js DONE
    completed after 2.95 ms · 8 messages
    ");
}

#[test]
fn narrow_terminal_shortens_and_moves_notes_below() {
    insta::assert_snapshot!(render(&trap(), Options { columns: 45, ..Options::default() }), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a4…

    manager                    bidder-js
       │           troublemaker    │
       │── cfp ─────────▶│         │     0.01 ms
       │── cfp ──────────┼────────▶│     0.02 ms
       │◀─ propose 1 ────│         │     0.30 ms
       │◀─ propose 9 ────┼─────────│     0.40 ms
       │── accept ──────✕│         │     0.50 ms
       │   (redelivered, dead letter: poison)
       │                 ✗ trap: unreac… 0.90 ms
       │◀╌ failure ╌╌╌╌╌╌│         │     1.00 ms
       │   (server: agent-lost)    │
       │── accept-proposal ───────▶│     1.20 ms
       │◀─ inform lines 10 ────────│     2.90 ms
       │                 │         │

    sessions: troublemaker FAILED
              bidder-js DONE
    completed after 2.95 ms · 8 messages
    ");
}

#[test]
fn six_lanes_fit_into_a_hundred_columns() {
    insta::assert_snapshot!(render(&six_lanes(), Options::default()), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 · fipa-contract-net · 2026-11-20T12:00:00Z

    manager            bidder-swift   bidder-steady    bidder-js      bidder-py   troublemaker
       │── cfp ─────────────▶│              │              │              │             │       0.01 ms
       │── cfp ──────────────┼─────────────▶│              │              │             │       0.01 ms
       │── cfp ──────────────┼──────────────┼─────────────▶│              │             │       0.01 ms
       │── cfp ──────────────┼──────────────┼──────────────┼─────────────▶│             │       0.01 ms
       │── cfp ──────────────┼──────────────┼──────────────┼──────────────┼────────────▶│       0.01 ms
       │◀─ propose 300 ──────│              │              │              │             │       0.30 ms
       │◀─ propose 301 ──────┼──────────────│              │              │             │       0.30 ms
       │◀─ propose 302 ──────┼──────────────┼──────────────│              │             │       0.30 ms
       │◀─ propose 303 ──────┼──────────────┼──────────────┼──────────────│             │       0.30 ms
       │◀─ propose 304 ──────┼──────────────┼──────────────┼──────────────┼─────────────│       0.30 ms
       │── accept-proposal ─▶│              │              │              │             │       0.90 ms
       │── reject-proposal ──┼──────────────┼─────────────▶│              │             │       0.91 ms
       │                     │              │              │          trap: unreachable ✗       0.95 ms
       │◀─ inform done ──────│              │              │              │             │       1.50 ms
       │                     │              │              │              │             │

    sessions: bidder-swift DONE · bidder-steady DONE · bidder-js DONE · bidder-py DONE
              troublemaker DONE
    completed after 2.00 ms · 13 messages
    ");
}

#[test]
fn six_lanes_in_eighty_columns_have_their_names_in_two_rows() {
    insta::assert_snapshot!(render(&six_lanes(), Options { columns: 80, ..Options::default() }), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 · fipa-contract-net · 2026-11…

    manager                     bidder-steady         bidder-py
       │              bidder-swift    │     bidder-js     │   troublemaker
       │── cfp ────────────▶│         │         │         │         │       0.01 ms
       │── cfp ─────────────┼────────▶│         │         │         │       0.01 ms
       │── cfp ─────────────┼─────────┼────────▶│         │         │       0.01 ms
       │── cfp ─────────────┼─────────┼─────────┼────────▶│         │       0.01 ms
       │── cfp ─────────────┼─────────┼─────────┼─────────┼────────▶│       0.01 ms
       │◀─ propose 300 ─────│         │         │         │         │       0.30 ms
       │◀─ propose 301 ─────┼─────────│         │         │         │       0.30 ms
       │◀─ propose 302 ─────┼─────────┼─────────│         │         │       0.30 ms
       │◀─ propose 303 ─────┼─────────┼─────────┼─────────│         │       0.30 ms
       │◀─ propose 304 ─────┼─────────┼─────────┼─────────┼─────────│       0.30 ms
       │── accept ─────────▶│         │         │         │         │       0.90 ms
       │── reject-proposal ─┼─────────┼────────▶│         │         │       0.91 ms
       │                    │         │         │ trap: unreachable ✗       0.95 ms
       │◀─ inform done ─────│         │         │         │         │       1.50 ms
       │                    │         │         │         │         │

    sessions: bidder-swift DONE · bidder-steady DONE · bidder-js DONE
              bidder-py DONE · troublemaker DONE
    completed after 2.00 ms · 13 messages
    ");
}

#[test]
fn terminal_too_narrow_for_the_lanes_gets_a_table() {
    insta::assert_snapshot!(render(&normal(), Options { columns: 44, ..Options::default() }), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a…

    TIME     FROM       TO         WHAT
    0.01 ms  manager    bidder-rs  cfp
    0.10 ms  manager    bidder-js  cfp
    0.12 ms  manager    bidder-py  cfp
    0.40 ms  bidder-rs  manager    propose 12
    0.40 ms  bidder-rs  -          state NO_REP…
    0.90 ms  bidder-js  manager    propose 9
    2.10 ms  bidder-py  manager    refuse busy
    2.20 ms  manager    bidder-js  accept-propo…
    2.21 ms  manager    bidder-rs  reject-propo…
    3.00 ms  bidder-js  manager    inform lines…

    sessions: bidder-rs REJECTED
              bidder-js DONE · bidder-py REFUSED
    completed after 3.21 ms · 9 messages
    ");
}

#[test]
fn table_has_the_changes_of_state() {
    insta::assert_snapshot!(listing(&normal(), Options::default()), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 · fipa-contract-net · 2026-11-20T12:00:00Z

    TIME     FROM       TO         WHAT
    0.01 ms  manager    bidder-rs  cfp
    0.10 ms  manager    bidder-js  cfp
    0.12 ms  manager    bidder-py  cfp
    0.40 ms  bidder-rs  manager    propose 12
    0.40 ms  bidder-rs  -          state NO_REPLY > BID
    0.90 ms  bidder-js  manager    propose 9
    2.10 ms  bidder-py  manager    refuse busy
    2.20 ms  manager    bidder-js  accept-proposal
    2.21 ms  manager    bidder-rs  reject-proposal
    3.00 ms  bidder-js  manager    inform lines 10

    sessions: bidder-rs REJECTED · bidder-js DONE · bidder-py REFUSED
    completed after 3.21 ms · 9 messages
    ");
}

#[test]
fn ascii_where_the_terminal_shows_nothing_else() {
    let mut conversation = late_bid();
    conversation.participants.push("bieter-ü@caxton".into());
    let drawn = render(&conversation, Options { glyphs: Glyphs::ASCII, ..Options::default() });
    assert!(drawn.is_ascii());
    insta::assert_snapshot!(drawn, @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 | fipa-contract-net | 2026-11-20T12:00:00Z

    manager              bidder-rs               slow                bieter-?
       |-- cfp ------------->|                     |                     |        0.0 ms
       |-- cfp --------------+-------------------->|                     |        0.0 ms
       |<- propose 12 -------|                     |                     |        0.4 ms
       |-- accept-proposal ->|                     |                     |     2000.1 ms
       |x- propose 3 --------+---------------------|                     |     2104.2 ms
       |   (late, withheld by the server)          |                     |
       |.. reject-proposal (server: late) ........>|                     |     2104.3 ms
       |<- inform done ------|                     |                     |     2300.0 ms
       |                     |                     |                     |

    sessions: bidder-rs DONE | slow LATE
    completed after 2300.5 ms | 7 messages
    ");
}

#[test]
fn mermaid_source_marks_lost_and_server_sent_messages() {
    insta::assert_snapshot!(mermaid(&late_bid()), @"
    sequenceDiagram
        participant a0 as manager
        participant a1 as bidder-rs
        participant a2 as slow
        a0->>a1: cfp (0.0 ms)
        a0->>a2: cfp (0.0 ms)
        a1->>a0: propose 12 (0.4 ms)
        a0->>a1: accept-proposal (2000.1 ms)
        a2-xa0: propose 3 (late, withheld by the server) (2104.2 ms)
        a0-->>a2: reject-proposal (server: late) (2104.3 ms)
        a1->>a0: inform done (2300.0 ms)
    ");
}

#[test]
fn mermaid_notes_the_trap_and_escapes_what_would_end_a_line() {
    let mut conversation = trap();
    conversation.events[0].text = "a;b#c".into();
    let source = mermaid(&conversation);
    assert!(source.contains("Note over a1: trap: unreachable (0.90 ms)"), "{source}");
    assert!(source.contains("cfp a#59;b#35;c"), "{source}");
}

#[test]
fn reply_labels_stand_at_the_right_where_there_is_room() {
    let request = auction(
        &[("echo", "DONE")],
        "completed",
        800,
        vec![
            with(sent(10, "1", "manager", "echo", "request", "hello"), json!({"reply-with": "q1"})),
            with(sent(500, "2", "echo", "manager", "inform", "hello"), json!({"in-reply-to": "q1"})),
        ],
    );
    insta::assert_snapshot!(render(&request, Options::default()), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 · fipa-contract-net · 2026-11-20T12:00:00Z

    manager              echo
       │── request hello ─▶│   #q1   0.01 ms
       │◀─ inform hello ───│   re q1 0.50 ms
       │                   │

    sessions: echo DONE
    completed after 0.80 ms · 2 messages
    ");
    assert!(!render(&request, Options { columns: 34, ..Options::default() }).contains("re q1"));
}

#[test]
fn message_to_nobody_and_message_to_oneself() {
    let odd = auction(
        &[],
        "",
        900,
        vec![
            sent(10, "1", "manager", "ecko", "request", "hello"),
            with(
                event("message.dead_lettered", 20, "1", "manager", "ecko", "", ""),
                json!({"reason": "unknown-receiver"}),
            ),
            sent(500, "2", "manager", "manager", "inform", "note"),
            with(
                event("message.refused", 700, "3", "manager", "ecko", "cfp", ""),
                json!({"reason": "mailbox-full"}),
            ),
        ],
    );
    insta::assert_snapshot!(render(&odd, Options::default()), @"
    conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 · fipa-contract-net · 2026-11-20T12:00:00Z

    manager              ecko
       │── request hello ─✕│   0.01 ms
       │   (dead letter: unknown-receiver)
       ↺ inform note       │   0.50 ms
       │── cfp ───────────✕│   0.70 ms
       │   (refused by the server: mailbox-full)
       │                   │

    closed after 0.90 ms · 2 messages
    ");
}

#[test]
fn open_conversation_without_events_is_told_and_not_drawn() {
    let open =
        Conversation { id: "7".into(), state: "open".into(), dropped_events: 3, ..Conversation::default() };
    insta::assert_snapshot!(render(&open, Options::default()), @"
    conversation 7


     │

    open, 0.00 ms so far · 0 messages · 3 events were not kept, so the picture has gaps
    ");
}

#[test]
fn colours_only_when_asked() {
    assert!(!render(&late_bid(), Options::default()).contains('\u{1b}'));
    assert!(render(&late_bid(), Options { coloured: true, ..Options::default() }).contains("\u{1b}[31m"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for columns in 20..120 {
        for conversation in [normal(), late_bid(), trap(), six_lanes()] {
            let drawn = render(&conversation, Options { columns, ..Options::default() });
            let widest = drawn.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= columns, "{widest} > {columns}\n{drawn}");
        }
    }
}

#[test]
fn escapes_in_names_and_contents_do_not_reach_the_terminal() {
    let mut conversation = normal();
    conversation.participants.push("\u{1b}[2Jevil@caxton".into());
    conversation.events[0].text = "\u{1b}]0;title\u{7}".into();
    conversation.sessions[0].state = "\u{1b}[31m".into();
    for text in [
        render(&conversation, Options::default()),
        mermaid(&conversation),
        listing(&conversation, Options::default()),
    ] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
    }
}
