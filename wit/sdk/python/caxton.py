"""What agent authors write against in Python: messages and the bidder's role, with the names of the Rust SDK.

The world is synchronous and this SDK has no waiting: an agent answers each message within its turn. Asking others and
sleeping are left to the Rust SDK for now. State lives as long as the instance.
"""

import json
from dataclasses import dataclass

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import bus, clock, directory, log
from wit_world.imports import types as wire
from wit_world.imports.types import FaultKind, Performative

#: Proposals that may wait for their decision at once; a call beyond that is refused as overloaded.
OPEN_BIDS_MAX = 1024
#: The user parameter of an answer that others follow.
PARTIAL = "X-Partial"
#: How long a proposal binds, in seconds, unless the bidder says otherwise.
BID_VALID_FOR = 60.0

_NO_UID = wire.Uid(0, 0, 0, 0)
_ANSWERS = {
    Performative.AGREE,
    Performative.CONFIRM,
    Performative.DISCONFIRM,
    Performative.FAILURE,
    Performative.INFORM,
    Performative.NOT_UNDERSTOOD,
    Performative.REFUSE,
    Performative.REJECT_PROPOSAL,
}
_numbers_made = 0


def fresh_number():
    """A number for reply-with that this instance has not used before."""
    global _numbers_made
    _numbers_made = 1 if _numbers_made == 0xFFFFFFFF else _numbers_made + 1
    return _numbers_made


def now():
    """The time at which the turn began, in seconds since the Unix epoch."""
    at = clock.now()
    return at.seconds + at.nanos / 1e9


class Reason(Exception):
    """Why something is refused or failed: a short stable name, and a sentence for people."""

    def __init__(self, code, detail=""):
        super().__init__(f"{detail} [{code}]")
        self.code = code
        self.detail = detail


class Refusal(Reason):
    """Raised by `bid` to refuse."""


class Failure(Reason):
    """Raised by `work` to fail."""


def fault(code, detail, kind=FaultKind.PERMANENT):
    """What an export raises to fail its turn."""
    return Err(wire.Fault(kind, code, detail))


class Message:
    """A message that arrived."""

    def __init__(self, record):
        self.wire = record
        self.performative = record.performative
        self.sender = record.sender
        self.conversation = record.conversation
        self.reply_with = record.reply_with
        self.in_reply_to = record.in_reply_to
        self.content = record.content

    @property
    def sender_name(self):
        return directory.name_of(self.sender) or f"#{self.sender}"

    @property
    def text(self):
        return self.content.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.content)

    def param(self, name):
        """A user parameter (`X-…`) by its name, in any case; None without it."""
        params = self.wire.extra.params if self.wire.extra else []
        return next((value for key, value in params if key.lower() == name.lower()), None)

    @property
    def is_answer(self):
        return self.performative in _ANSWERS

    def reply(self, performative):
        """Begins an answer by the rules of SC00061."""
        extra = self.wire.extra
        draft = Draft(performative, extra.reply_to[0] if extra and extra.reply_to else self.sender)
        draft.wire.conversation = self.conversation
        draft.wire.in_reply_to = self.reply_with
        draft.wire.protocol = self.wire.protocol
        draft.wire.ontology = self.wire.ontology
        draft.wire.language = self.wire.language
        return draft

    def inform(self):
        return self.reply(Performative.INFORM)

    def reply_part(self):
        """Begins a part of an answer, which others follow; the last one is an `inform`."""
        return self.inform().param(PARTIAL, "true")

    def refuse(self, reason):
        return self.reply(Performative.REFUSE).reason(reason)

    def failure(self, reason):
        return self.reply(Performative.FAILURE).reason(reason)

    def not_understood(self, reason):
        return self.reply(Performative.NOT_UNDERSTOOD).reason(reason)


class Draft:
    """A message to send; `to` is a number, or a name that is looked up at once."""

    def __init__(self, performative, to):
        number = directory.resolve(to) if isinstance(to, str) else to
        if number is None:
            raise fault("CX0302", f"nobody answers to the name `{to}`")
        none = wire.Instant(0, 0)
        self.wire = wire.Draft(number, performative, _NO_UID, 0, 0, none, 0, 0, 0, 0, b"", None)

    def content(self, data):
        self.wire.content = data
        return self

    def text(self, text):
        return self.content(text.encode())

    def json(self, value):
        return self.text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def reason(self, reason):
        return self.json({"code": reason.code, "detail": reason.detail})

    def protocol(self, name):
        self.wire.protocol = directory.intern(name)
        return self

    def param(self, name, value):
        """Adds a user parameter; its name begins with `X-`."""
        if self.wire.extra is None:
            self.wire.extra = wire.Extra([], [], [])
        self.wire.extra.params.append((name, value))
        return self

    def reply_with(self, number):
        self.wire.reply_with = number
        return self

    def reply_by_in(self, seconds):
        at = now() + seconds
        self.wire.reply_by = wire.Instant(int(at), int(at % 1 * 1e9))
        return self

    def send(self):
        """Stages the message; it leaves when the turn ends well. Returns its id."""
        return bus.send([self.wire])[0]


@dataclass
class Start:
    """An instance's beginning; `config` is the configuration, read as JSON."""

    agent: int
    config: dict
    restarts: int


def agent(make):
    """The exports of an agent: `make(start)` returns an object with `handle(message)`."""
    running = []

    class Lifecycle(exports.Lifecycle):
        def init(self, s):
            running[:] = [make(Start(s.self, json.loads(s.config or b"{}"), s.restarts))]

    class Handler(exports.Handler):
        def handle(self, batch):
            for record in batch:
                running[0].handle(Message(record))

    class Timers(exports.Timers):
        def on_timer(self, token):
            pass

    return Lifecycle, Handler, Timers


def contractor(make_bidder):
    """The exports of a bidder (SC00029): `make_bidder(start)` returns one with `bid(task)` and `work(task, offer, order)`."""
    return agent(lambda start: _Contractor(make_bidder(start)))


@dataclass
class _OpenBid:
    initiator: int
    task: object
    offer: object
    valid_until: float


class _Contractor:
    def __init__(self, bidder):
        self.bidder = bidder
        self.valid_for = getattr(bidder, "bid_valid_for", BID_VALID_FOR)
        self.open = {}

    def handle(self, message):
        match message.performative:
            case Performative.CFP:
                self.called(message)
            case Performative.ACCEPT_PROPOSAL:
                self.accepted(message)
            case Performative.REJECT_PROPOSAL:
                self.take(message)
            case Performative.CANCEL:
                self.cancelled(message)
            case act if not message.is_answer:
                message.not_understood(Reason("unexpected-act", f"a bidder does not take {act.name}")).send()

    def called(self, call):
        at = now()
        self.open = {key: bid for key, bid in self.open.items() if bid.valid_until > at}
        try:
            task = call.json()
        except ValueError as error:
            call.not_understood(Reason("content-unreadable", str(error))).send()
            return
        if len(self.open) >= OPEN_BIDS_MAX:
            call.refuse(Refusal("overloaded", f"{OPEN_BIDS_MAX} proposals are open already")).send()
            return
        try:
            offer = self.bidder.bid(task)
        except Exception as error:  # whatever the bidder raises is its refusal
            call.refuse(_reason(error)).send()
            return
        number = fresh_number()
        proposal = call.reply(Performative.PROPOSE).reply_with(number).reply_by_in(self.valid_for)
        proposal.json(offer).send()
        self.open[_key(call.conversation, number)] = _OpenBid(call.sender, task, offer, at + self.valid_for)

    def accepted(self, order):
        bid = self.take(order)
        if bid is None:
            detail = "no such proposal is open: it expired, was decided, or the agent restarted"
            order.failure(Failure("bid-unknown", detail)).send()
            return
        try:
            report = self.bidder.work(bid.task, bid.offer, order.content)
        except Exception as error:  # whatever the bidder raises is its failure
            order.failure(_reason(error)).send()
            return
        order.inform().json(report).send()

    def cancelled(self, cancel):
        before = len(self.open)
        if self.take(cancel) is None:
            where = _key(cancel.conversation, 0)[:4]
            mine = lambda key, bid: key[:4] == where and bid.initiator == cancel.sender
            self.open = {key: bid for key, bid in self.open.items() if not mine(key, bid)}
        if len(self.open) < before:
            cancel.inform().send()
        else:
            cancel.failure(Failure("already-done", "nothing is open here")).send()

    def take(self, decision):
        """Takes the proposal that a message decides, if it comes from the agent that the proposal went to."""
        key = _key(decision.conversation, decision.in_reply_to)
        bid = self.open.get(key)
        if bid is None or bid.initiator != decision.sender:
            return None
        return self.open.pop(key)


def _key(uid, number):
    return (uid.a, uid.b, uid.c, uid.d, number)


def _reason(error):
    if isinstance(error, Reason):
        return error
    log.emit(log.Level.ERROR, f"the bidder raised {error!r}")
    return Failure("internal", repr(error))
