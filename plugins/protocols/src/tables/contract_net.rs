//! Contract net (SC00029) as data. The picture is in `docs/contract-net.mmd`; lines that share a number
//! carry out one row together with its rulings (F1 to F12).
//!
//! Row 8 (the conversation decides) and the end of a conversation concern all sessions together and are the engine's
//! (`close`); row 19 is everything that no line covers.

use std::sync::LazyLock;

use caxton_acl::Performative as Act;
use caxton_plugin::Code;

use crate::table::{
    Clock, Effect as Do,
    Event::{self, Deadline, Dismissed, InitiatorLost, ParticipantLost, Undelivered},
    Guard::{AnswersCall, AnswersCancel, CrossesCall, CrossesCancel, Gone, HadBound, Stale, Timely, Void},
    Index,
    Next::{self, Back, Same},
    Role, Row,
    State::{
        Accepted, AwaitBid, Bid, Cancelled, Cancelling, Done, Expired, Failed, Late, NoReply, NotUnderstood,
        Overdue, Refused, Rejected, Start,
    },
    Table,
};

/// `fipa-contract-net`.
pub static CONTRACT_NET: Table = Table {
    token: "fipa-contract-net",
    opening: Act::Cfp,
    rows: ROWS,
    index: LazyLock::new(|| Index::of(ROWS)),
};

const fn i(act: Act) -> Event {
    Event::Says(Role::Initiator, act)
}

const fn p(act: Act) -> Event {
    Event::Says(Role::Participant, act)
}

const fn to(state: crate::table::State) -> Next {
    Next::To(state)
}

const ROWS: &[Row] = &[
    // The call. F1: a call whose reply-by has passed is over at once.
    Row::new(1, Start, i(Act::Cfp), to(AwaitBid), Do::Start(Clock::Answer)).when(Timely),
    Row::new(1, Start, i(Act::Cfp), to(NoReply), Do::WithholdAndFail(Code::EXPIRED)).when(Stale),
    // Its answers. A proposal that names another call is out of sequence.
    Row::new(2, AwaitBid, p(Act::Propose), to(Bid), Do::Start(Clock::Validity)).when(AnswersCall),
    Row::new(3, AwaitBid, p(Act::Refuse), to(Refused), Do::Nothing),
    Row::new(4, AwaitBid, p(Act::NotUnderstood), to(NotUnderstood), Do::Nothing),
    Row::new(5, AwaitBid, Undelivered(Act::Cfp), to(Failed), Do::FailSender),
    // An agent that left for good reads no call any more.
    Row::new(5, AwaitBid, ParticipantLost, to(Failed), Do::FailInitiator(Code::AGENT_LOST)).when(Gone),
    Row::new(6, AwaitBid, Deadline, to(NoReply), Do::Nothing),
    Row::new(7, NoReply, p(Act::Propose), to(Late), Do::WithholdAndReject(Code::BID_LATE)),
    // A late refusal says what silence said.
    Row::new(7, NoReply, p(Act::Refuse), Same, Do::Withhold(Code::BID_LATE)),
    // The decision.
    Row::new(9, Bid, i(Act::AcceptProposal), to(Accepted), Do::Start(Clock::Result)).when(Timely),
    Row::new(9, Bid, i(Act::AcceptProposal), Same, Do::WithholdAndFail(Code::EXPIRED)).when(Stale),
    Row::new(10, Bid, i(Act::RejectProposal), to(Rejected), Do::Nothing),
    Row::new(10, Bid, Dismissed, to(Rejected), Do::Reject),
    Row::new(10, Bid, InitiatorLost, to(Rejected), Do::Reject),
    // A reject that crosses the end of the bid says nothing new; an accept that crosses it fails with the same reason.
    Row::new(10, Rejected, i(Act::RejectProposal), Same, Do::Withhold(Code::NONE)).when(Void),
    Row::new(10, Rejected, i(Act::AcceptProposal), Same, Do::WithholdAndFail(Code::NONE)).when(Void),
    Row::new(10, Late, i(Act::RejectProposal), Same, Do::Withhold(Code::BID_LATE)),
    Row::new(10, Expired, i(Act::RejectProposal), Same, Do::Withhold(Code::BID_EXPIRED)),
    Row::new(11, Bid, Deadline, to(Expired), Do::Nothing),
    Row::new(11, Expired, i(Act::AcceptProposal), Same, Do::WithholdAndFail(Code::BID_EXPIRED)),
    // The work. F7: what a lost agent promised fails on its behalf, a bid as well as a commitment.
    Row::new(12, Accepted, p(Act::Inform), to(Done), Do::Nothing),
    Row::new(13, Accepted, p(Act::Failure), to(Failed), Do::Nothing),
    Row::new(13, Accepted, Undelivered(Act::AcceptProposal), to(Failed), Do::FailSender),
    Row::new(13, Accepted, ParticipantLost, to(Failed), Do::FailInitiator(Code::AGENT_LOST)),
    Row::new(13, Bid, ParticipantLost, to(Failed), Do::FailInitiator(Code::AGENT_LOST)),
    Row::new(13, Failed, i(Act::RejectProposal), Same, Do::Withhold(Code::NONE)).when(Void),
    Row::new(13, Failed, i(Act::AcceptProposal), Same, Do::WithholdAndFail(Code::NONE)).when(Void),
    // The promise was told as broken; the next instance may still find the accept in its mailbox.
    Row::new(13, Failed, p(Act::Inform), Same, Do::DeliverLate).when(Void),
    Row::new(13, Failed, p(Act::Failure), Same, Do::Withhold(Code::NONE)).when(Void),
    Row::new(13, Bid, Undelivered(Act::Propose), to(Failed), Do::FailSender),
    Row::new(14, Accepted, p(Act::NotUnderstood), to(NotUnderstood), Do::Nothing),
    Row::new(15, Accepted, Deadline, to(Overdue), Do::FailInitiator(Code::RESULT_OVERDUE)),
    Row::new(15, Overdue, p(Act::Inform), Same, Do::DeliverLate),
    Row::new(15, Overdue, p(Act::Failure), Same, Do::DeliverLate),
    // The cancel meta-protocol.
    Row::new(16, AwaitBid, i(Act::Cancel), to(Cancelling), Do::Start(Clock::Answer)).when(Timely),
    Row::new(16, AwaitBid, i(Act::Cancel), Same, Do::WithholdAndFail(Code::EXPIRED)).when(Stale),
    Row::new(16, AwaitBid, InitiatorLost, to(Cancelling), Do::Cancel),
    Row::new(16, Bid, i(Act::Cancel), to(Cancelling), Do::Start(Clock::Answer)).when(Timely),
    Row::new(16, Bid, i(Act::Cancel), Same, Do::WithholdAndFail(Code::EXPIRED)).when(Stale),
    Row::new(16, Accepted, i(Act::Cancel), to(Cancelling), Do::Start(Clock::Answer)).when(Timely),
    Row::new(16, Accepted, i(Act::Cancel), Same, Do::WithholdAndFail(Code::EXPIRED)).when(Stale),
    Row::new(16, Accepted, InitiatorLost, to(Cancelling), Do::Cancel),
    Row::new(17, Cancelling, p(Act::Inform), to(Cancelled), Do::Nothing).when(AnswersCancel),
    Row::new(17, Cancelling, p(Act::Failure), Back, Do::Nothing).when(AnswersCancel),
    Row::new(17, Cancelling, p(Act::NotUnderstood), Back, Do::Nothing).when(AnswersCancel),
    Row::new(17, Cancelling, Undelivered(Act::Cancel), Back, Do::FailSender),
    Row::new(17, Cancelling, Deadline, to(Cancelled), Do::FailInitiator(Code::NO_REPLY)),
    Row::new(17, Cancelling, Undelivered(Act::Cfp), to(Failed), Do::FailSender),
    Row::new(17, Cancelling, Undelivered(Act::AcceptProposal), to(Failed), Do::FailSender),
    Row::new(17, Cancelling, ParticipantLost, to(Failed), Do::FailInitiator(Code::AGENT_LOST)).when(HadBound),
    // An answer to the call that crosses the cancel: a refusal ends it, a proposal counts again if the cancel fails.
    Row::new(17, Cancelling, p(Act::Propose), Next::Behind(Bid), Do::Start(Clock::Validity))
        .when(CrossesCall),
    Row::new(18, Cancelling, p(Act::Refuse), to(Refused), Do::FailCancel(Code::ALREADY_DONE))
        .when(CrossesCall),
    // F9: the result wins, whichever of the two passes the engine first.
    Row::new(18, Cancelling, p(Act::Inform), to(Done), Do::FailCancel(Code::ALREADY_DONE))
        .when(CrossesCancel),
    Row::new(18, Cancelling, p(Act::Failure), to(Failed), Do::FailCancel(Code::ALREADY_DONE))
        .when(CrossesCancel),
    Row::new(18, Done, i(Act::Cancel), Same, Do::WithholdAndFail(Code::ALREADY_DONE)),
    Row::new(18, Done, p(Act::Inform), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(18, Done, p(Act::Failure), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(18, Failed, p(Act::Inform), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(18, Failed, p(Act::Failure), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(18, Refused, p(Act::Inform), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(18, Refused, p(Act::Failure), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
];
