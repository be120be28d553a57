// Bids for counting words by its own cost model, and counts. Configuration: `base`, `per_kb`, `bytes_max`.

import { Failure, Refusal, contractor, decode } from "../../sdk/js/caxton.js";
import { count } from "./count.js";

class Bidder {
  constructor({ config }) {
    this.base = config.base ?? 1;
    this.perKb = config.per_kb ?? 0.1;
    this.bytesMax = config.bytes_max ?? 100_000;
  }

  bid(task) {
    if (task.bytes > this.bytesMax) throw new Refusal("too-large", `takes at most ${this.bytesMax} bytes`);
    return { price: this.base + (this.perKb * task.bytes) / 1024 };
  }

  work(task, offer, text) {
    if (text.length !== task.bytes) throw new Failure("other-text", `${task.bytes} bytes called, ${text.length} came`);
    return count(text, decode);
  }
}

export const { lifecycle, handler, timers } = contractor(Bidder);
