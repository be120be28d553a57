// What agent authors write against in JavaScript: messages and the bidder's role, with the names of the Rust SDK.
//
// The world is synchronous and this SDK has no waiting: an agent answers each message within its turn. Asking others
// and sleeping are left to the Rust SDK for now. State of the module lives as long as the instance.

import bus from "caxton:agent/bus@0.1.0";
import clock from "caxton:agent/clock@0.1.0";
import directory from "caxton:agent/directory@0.1.0";
import log from "caxton:agent/log@0.1.0";
import { decode, encode } from "./utf8.js";

export { decode, encode, log };

// The user parameter of an answer that others follow.
export const PARTIAL = "X-Partial";

const NO_UID = { a: 0, b: 0, c: 0, d: 0 };
const ANSWERS = new Set([
  "agree", "confirm", "disconfirm", "failure", "inform", "not-understood", "refuse", "reject-proposal",
]);

// Proposals that may wait for their decision at once; a call beyond that is refused as overloaded.
export const OPEN_BIDS_MAX = 1024;
// How long a proposal binds, in milliseconds, unless the bidder says otherwise.
export const BID_VALID_FOR_MS = 60_000;

let numbersMade = 0;

// A number for reply-with that this instance has not used before.
export function freshNumber() {
  numbersMade = numbersMade === 0xffffffff ? 1 : numbersMade + 1;
  return numbersMade;
}

// The time at which the turn began, in milliseconds since the Unix epoch.
export function nowMs() {
  const { seconds, nanos } = clock.now();
  return seconds * 1000 + nanos / 1e6;
}

// Why something is refused or failed: a short stable name, and a sentence for people.
export class Reason {
  constructor(code, detail = "") {
    this.code = code;
    this.detail = detail;
  }
}

// Thrown by `bid` to refuse.
export class Refusal extends Reason {}
// Thrown by `work` to fail.
export class Failure extends Reason {}

// A message that arrived.
export class Message {
  constructor(wire) {
    this.wire = wire;
  }
  get performative() { return this.wire.performative; }
  get sender() { return this.wire.sender; }
  get senderName() { return directory.nameOf(this.wire.sender) ?? `#${this.wire.sender}`; }
  get conversation() { return this.wire.conversation; }
  get replyWith() { return this.wire.replyWith; }
  get inReplyTo() { return this.wire.inReplyTo; }
  get content() { return this.wire.content; }
  get text() { return decode(this.wire.content); }
  get json() { return JSON.parse(this.text); }
  // A user parameter (`X-…`) by its name, in any case.
  param(name) {
    const same = ([key]) => key.toLowerCase() === name.toLowerCase();
    return this.wire.extra?.params.find(same)?.[1];
  }
  get isAnswer() { return ANSWERS.has(this.performative); }

  // Begins an answer by the rules of SC00061.
  reply(performative) {
    const replyTo = this.wire.extra?.replyTo[0];
    const draft = new Draft(performative, replyTo ?? this.wire.sender);
    const { conversation, replyWith, protocol, ontology, language } = this.wire;
    Object.assign(draft.wire, { conversation, inReplyTo: replyWith, protocol, ontology, language });
    return draft;
  }
  inform() { return this.reply("inform"); }
  // Begins a part of an answer, which others follow; the last one is an `inform`.
  replyPart() { return this.inform().param(PARTIAL, "true"); }
  refuse(reason) { return this.reply("refuse").json(reason); }
  failure(reason) { return this.reply("failure").json(reason); }
  notUnderstood(reason) { return this.reply("not-understood").json(reason); }
}

// A message to send; `to` is a number, or a name that is looked up at once.
export class Draft {
  constructor(performative, to) {
    const number = typeof to === "string" ? directory.resolve(to) : to;
    if (number == null) throw fault("CX0302", `nobody answers to the name \`${to}\``);
    this.wire = {
      to: number, performative, conversation: NO_UID, replyWith: 0, inReplyTo: 0,
      replyBy: { seconds: 0, nanos: 0 }, protocol: 0, ontology: 0, language: 0, encoding: 0,
      content: new Uint8Array(0), extra: null,
    };
  }
  content(bytes) { this.wire.content = bytes; return this; }
  text(text) { return this.content(encode(text)); }
  json(value) { return this.text(JSON.stringify(value)); }
  protocol(name) { this.wire.protocol = directory.intern(name); return this; }
  // Adds a user parameter; its name begins with `X-`.
  param(name, value) {
    this.wire.extra ??= { receivers: [], replyTo: [], params: [] };
    this.wire.extra.params.push([name, value]);
    return this;
  }
  replyWith(number) { this.wire.replyWith = number; return this; }
  replyByIn(ms) {
    const at = nowMs() + ms;
    this.wire.replyBy = { seconds: Math.floor(at / 1000), nanos: Math.floor(at % 1000) * 1_000_000 };
    return this;
  }
  // Stages the message; it leaves when the turn ends well. Returns its id.
  send() { return bus.send([this.wire])[0]; }
}

// What an export throws to fail its turn.
export function fault(code, detail, kind = "permanent") {
  return { kind, code, detail };
}

// The exports of an agent: `class { constructor(start) … handle(message) … }`, where `start.config` is read as JSON.
export function agent(Agent) {
  let instance;
  return {
    lifecycle: {
      init({ self, config, restarts }) {
        const text = decode(config);
        instance = new Agent({ agent: self, config: text === "" ? {} : JSON.parse(text), restarts });
      },
    },
    handler: {
      handle(batch) {
        for (const wire of batch) instance.handle(new Message(wire));
      },
    },
    timers: { onTimer() {} },
  };
}

// The exports of a bidder (SC00029): `class { constructor(start) … bid(task) … work(task, offer, order) … }`.
export function contractor(Bidder) {
  return agent(class {
    constructor(start) {
      this.bidder = new Bidder(start);
      this.open = new Map();
    }

    handle(message) {
      switch (message.performative) {
        case "cfp": return this.called(message);
        case "accept-proposal": return this.accepted(message);
        case "reject-proposal": return void this.take(message);
        case "cancel": return this.cancelled(message);
        default:
          if (message.isAnswer) return;
          message.notUnderstood(new Reason("unexpected-act", `a bidder does not take ${message.performative}`)).send();
      }
    }

    called(call) {
      const now = nowMs();
      for (const [key, bid] of this.open) if (bid.validUntil <= now) this.open.delete(key);
      let task;
      try {
        task = call.json;
      } catch (error) {
        return call.notUnderstood(new Reason("content-unreadable", String(error))).send();
      }
      if (this.open.size >= OPEN_BIDS_MAX) {
        return call.refuse(new Refusal("overloaded", `${OPEN_BIDS_MAX} proposals are open already`)).send();
      }
      const offer = attempt(() => this.bidder.bid(task));
      if (offer instanceof Reason) return call.refuse(offer).send();
      const number = freshNumber();
      const validFor = this.bidder.bidValidForMs ?? BID_VALID_FOR_MS;
      call.reply("propose").replyWith(number).replyByIn(validFor).json(offer).send();
      this.open.set(keyOf(call.conversation, number), {
        initiator: call.sender, task, offer, validUntil: now + validFor,
      });
    }

    accepted(order) {
      const bid = this.take(order);
      if (!bid) {
        const detail = "no such proposal is open: it expired, was decided, or the agent restarted";
        return order.failure(new Failure("bid-unknown", detail)).send();
      }
      const report = attempt(() => this.bidder.work(bid.task, bid.offer, order.content));
      if (report instanceof Reason) return order.failure(report).send();
      order.inform().json(report).send();
    }

    cancelled(cancel) {
      const before = this.open.size;
      if (!this.take(cancel)) {
        const prefix = keyOf(cancel.conversation, "");
        for (const [key, bid] of this.open) {
          if (key.startsWith(prefix) && bid.initiator === cancel.sender) this.open.delete(key);
        }
      }
      if (this.open.size < before) return cancel.inform().send();
      cancel.failure(new Failure("already-done", "nothing is open here")).send();
    }

    // Takes the proposal that a message decides, if it comes from the agent that the proposal went to.
    take(decision) {
      const key = keyOf(decision.conversation, decision.inReplyTo);
      const bid = this.open.get(key);
      if (bid?.initiator !== decision.sender) return undefined;
      this.open.delete(key);
      return bid;
    }
  });
}

function keyOf({ a, b, c, d }, number) {
  return `${a}.${b}.${c}.${d}:${number}`;
}

// A refusal or failure that the bidder throws is its answer; any other error is reported as one.
function attempt(act) {
  try {
    return act();
  } catch (error) {
    if (error instanceof Reason) return error;
    log.emit("error", `the bidder threw: ${error}\n${error?.stack ?? ""}`);
    return new Failure("internal", String(error));
  }
}
