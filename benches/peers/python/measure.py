"""What the Python peers have in common: their arguments, their clock, and the line that they print.

Windows bound what is under way as in Caxton's own workloads (benches/src/talk.rs), but less at once when there are many
agents: on one thread more would not be faster, only a longer queue at the start.
"""

import asyncio
import gc
import json
import multiprocessing
import os
import sys
import time

CONTENT = "x" * 256
WINDOW = 256
CREDIT = 128
ASKS = 16
MESSAGES_MAX = 2048
WARM_UP_S = 0.3
FIRST_WITHIN_S = 20


def arguments():
    """WORKLOAD SIZE SECONDS of the command line."""
    workload, size, seconds = sys.argv[1:]
    return workload, int(size), float(seconds)


def window_of(pairs):
    """Messages under way in each pair, and for how many of them there is one credit."""
    window = min(WINDOW, max(MESSAGES_MAX // pairs, 8))
    return window, min(CREDIT, window // 2)


def nets_of(size):
    """Contract nets that each initiator has under way."""
    return min(max(64 // size, 1), 4)


async def rate(count, seconds):
    """Warms up, at least until something was counted, and says by how much `count()` grows in a second."""
    started = time.perf_counter()
    await asyncio.sleep(WARM_UP_S)
    while count() == 0 and time.perf_counter() - started < FIRST_WITHIN_S:
        await asyncio.sleep(WARM_UP_S)
    before, begun = count(), time.perf_counter()
    await asyncio.sleep(seconds)
    return (count() - before) / (time.perf_counter() - begun)


def private_bytes():
    """Bytes of this process that nobody else shares, without what only waits to be collected."""
    gc.collect()
    with open("/proc/self/smaps_rollup", encoding="ascii") as rollup:
        return 1024 * sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))


def print_and_exit(value):
    """Prints the measure and ends at once: nothing that is still under way matters."""
    print(json.dumps({"value": value}), flush=True)
    end(0)


def fail(why):
    """Ends without a measure."""
    print(why, file=sys.stderr, flush=True)
    end(1)


def end(code):
    """Ends with the processes that a library started."""
    for child in multiprocessing.active_children():
        child.kill()
        child.join()
    os._exit(code)
