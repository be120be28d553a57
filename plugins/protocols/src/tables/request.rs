//! Request (SC00026) as data. Row numbers are its own, the picture is in `docs/request.mmd`; what no line covers is out of sequence.

use std::sync::LazyLock;

use caxton_acl::Performative as Act;
use caxton_plugin::Code;

use crate::table::{
    Clock, Effect as Do,
    Event::{self, Deadline, InitiatorLost, ParticipantLost, Undelivered},
    Guard::{AnswersCancel, CrossesCall, CrossesCancel, Gone, HadBound, Stale, Timely, Void},
    Index,
    Next::{self, Back, Same},
    Role, Row,
    State::{
        Agreed, Cancelled, Cancelling, Done, Failed, NoReply, NotUnderstood, Overdue, Refused, Requested,
        Start,
    },
    Table,
};

/// `fipa-request`.
pub static REQUEST: Table = Table {
    token: "fipa-request",
    opening: Act::Request,
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
    Row::new(1, Start, i(Act::Request), to(Requested), Do::Start(Clock::Answer)).when(Timely),
    Row::new(1, Start, i(Act::Request), to(NoReply), Do::WithholdAndFail(Code::EXPIRED)).when(Stale),
    Row::new(2, Requested, p(Act::Refuse), to(Refused), Do::Nothing),
    Row::new(3, Requested, p(Act::Agree), to(Agreed), Do::Start(Clock::Work)),
    Row::new(4, Requested, p(Act::Inform), to(Done), Do::Nothing),
    Row::new(4, Agreed, p(Act::Inform), to(Done), Do::Nothing),
    Row::new(5, Requested, p(Act::Failure), to(Failed), Do::Nothing),
    Row::new(5, Agreed, p(Act::Failure), to(Failed), Do::Nothing),
    Row::new(5, Requested, Undelivered(Act::Request), to(Failed), Do::FailSender),
    // An agent that left for good answers no request that it had taken; the next instance of one that trapped may.
    Row::new(5, Requested, ParticipantLost, to(Failed), Do::FailInitiator(Code::AGENT_LOST)).when(Gone),
    Row::new(5, Agreed, ParticipantLost, to(Failed), Do::FailInitiator(Code::AGENT_LOST)),
    // The promise was told as broken; the next instance may still do the work.
    Row::new(5, Failed, p(Act::Inform), Same, Do::DeliverLate).when(Void),
    Row::new(5, Failed, p(Act::Failure), Same, Do::Withhold(Code::NONE)).when(Void),
    Row::new(6, Requested, p(Act::NotUnderstood), to(NotUnderstood), Do::Nothing),
    Row::new(6, Agreed, p(Act::NotUnderstood), to(NotUnderstood), Do::Nothing),
    // The first answer is bounded by reply-by, the result by the configured time.
    Row::new(7, Requested, Deadline, to(NoReply), Do::FailInitiator(Code::NO_REPLY)),
    Row::new(7, NoReply, p(Act::Refuse), Same, Do::DeliverLate),
    Row::new(7, NoReply, p(Act::Agree), Same, Do::DeliverLate),
    Row::new(7, NoReply, p(Act::Inform), Same, Do::DeliverLate),
    Row::new(7, NoReply, p(Act::Failure), Same, Do::DeliverLate),
    Row::new(8, Agreed, Deadline, to(Overdue), Do::FailInitiator(Code::RESULT_OVERDUE)),
    Row::new(8, Overdue, p(Act::Inform), Same, Do::DeliverLate),
    Row::new(8, Overdue, p(Act::Failure), Same, Do::DeliverLate),
    // The cancel meta-protocol, as in contract net.
    Row::new(9, Requested, i(Act::Cancel), to(Cancelling), Do::Start(Clock::Answer)).when(Timely),
    Row::new(9, Requested, i(Act::Cancel), Same, Do::WithholdAndFail(Code::EXPIRED)).when(Stale),
    Row::new(9, Requested, InitiatorLost, to(Cancelling), Do::Cancel),
    Row::new(9, Agreed, i(Act::Cancel), to(Cancelling), Do::Start(Clock::Answer)).when(Timely),
    Row::new(9, Agreed, i(Act::Cancel), Same, Do::WithholdAndFail(Code::EXPIRED)).when(Stale),
    Row::new(9, Agreed, InitiatorLost, to(Cancelling), Do::Cancel),
    Row::new(10, Cancelling, p(Act::Inform), to(Cancelled), Do::Nothing).when(AnswersCancel),
    Row::new(10, Cancelling, p(Act::Failure), Back, Do::Nothing).when(AnswersCancel),
    Row::new(10, Cancelling, p(Act::NotUnderstood), Back, Do::Nothing).when(AnswersCancel),
    Row::new(10, Cancelling, Undelivered(Act::Cancel), Back, Do::FailSender),
    Row::new(10, Cancelling, Deadline, to(Cancelled), Do::FailInitiator(Code::NO_REPLY)),
    Row::new(10, Cancelling, Undelivered(Act::Request), to(Failed), Do::FailSender),
    Row::new(10, Cancelling, ParticipantLost, to(Failed), Do::FailInitiator(Code::AGENT_LOST)).when(HadBound),
    // An answer to the request that crosses the cancel, as in contract net.
    Row::new(10, Cancelling, p(Act::Agree), Next::Behind(Agreed), Do::Start(Clock::Work)).when(CrossesCall),
    Row::new(11, Cancelling, p(Act::Refuse), to(Refused), Do::FailCancel(Code::ALREADY_DONE))
        .when(CrossesCall),
    Row::new(11, Cancelling, p(Act::Inform), to(Done), Do::FailCancel(Code::ALREADY_DONE))
        .when(CrossesCancel),
    Row::new(11, Cancelling, p(Act::Failure), to(Failed), Do::FailCancel(Code::ALREADY_DONE))
        .when(CrossesCancel),
    Row::new(11, Done, i(Act::Cancel), Same, Do::WithholdAndFail(Code::ALREADY_DONE)),
    Row::new(11, Done, p(Act::Inform), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(11, Done, p(Act::Failure), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(11, Failed, p(Act::Inform), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(11, Failed, p(Act::Failure), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(11, Refused, p(Act::Inform), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
    Row::new(11, Refused, p(Act::Failure), Same, Do::Withhold(Code::ALREADY_DONE)).when(AnswersCancel),
];
