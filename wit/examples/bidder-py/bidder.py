"""Bids for counting words by its own cost model, and counts. Configuration: `base`, `per_kb`, `bytes_max`."""

from caxton import Failure, Refusal, contractor
from counting import count


class Bidder:
    def __init__(self, start):
        self.base = start.config.get("base", 1)
        self.per_kb = start.config.get("per_kb", 0.1)
        self.bytes_max = start.config.get("bytes_max", 500_000)

    def bid(self, task):
        if task["bytes"] > self.bytes_max:
            raise Refusal("too-large", f"takes at most {self.bytes_max} bytes")
        return {"price": self.base + self.per_kb * task["bytes"] / 1024}

    def work(self, task, offer, text):
        if len(text) != task["bytes"]:
            raise Failure("other-text", f"{task['bytes']} bytes called, {len(text)} came")
        return count(text)


Lifecycle, Handler, Timers = contractor(Bidder)
