"""autogen-core: agents on a SingleThreadedAgentRuntime, its default runtime within one process.

`oneway` publishes to a topic that has one subscriber, for a message that is sent waits for its answer; `echo` sends. In a
contract net a bid is the answer to the call and a result is the answer to the choice. Logging and tracing are as they come,
which is off. Nothing checks deadlines, roles or late bids.
"""

import asyncio
import time
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    message_handler,
)

from measure import ASKS, CONTENT, arguments, fail, nets_of, print_and_exit, private_bytes, rate, window_of


@dataclass
class Go:
    to: list[str]
    window: int
    credit: int


@dataclass
class Inform:
    content: str


@dataclass
class Credit:
    sender: str


@dataclass
class Request:
    content: str


@dataclass
class Cfp:
    content: str


@dataclass
class Propose:
    content: str


@dataclass
class Accept:
    content: str


@dataclass
class Reject:
    content: str


counted = 0


def count():
    return counted


def add():
    global counted
    counted += 1


class Source(RoutedAgent):
    def __init__(self):
        super().__init__("source")
        self.credit = 0

    @message_handler
    async def begin(self, message: Go, ctx: MessageContext) -> None:
        self.credit = message.credit
        await self.publish(message.to[0], message.window)

    @message_handler
    async def go_on(self, message: Credit, ctx: MessageContext) -> None:
        await self.publish(message.sender, self.credit)

    async def publish(self, key, times):
        for _ in range(times):
            await self.publish_message(Inform(CONTENT), TopicId("sink", key))


class Sink(RoutedAgent):
    def __init__(self, credit):
        super().__init__("sink")
        self.credit, self.taken = credit, 0

    @message_handler
    async def take(self, message: Inform, ctx: MessageContext) -> None:
        add()
        self.taken += 1
        if self.taken % self.credit == 0:
            await self.publish_message(Credit(self.id.key), TopicId("source", self.id.key))


class Asker(RoutedAgent):
    def __init__(self):
        super().__init__("asker")

    @message_handler
    async def begin(self, message: Go, ctx: MessageContext) -> None:
        echo = AgentId("echo", message.to[0])
        await asyncio.gather(*(self.ask(echo) for _ in range(message.window)))

    async def ask(self, echo):
        content = CONTENT
        while True:
            content = (await self.send_message(Request(content), echo)).content
            add()


class Echo(RoutedAgent):
    def __init__(self):
        super().__init__("echo")

    @message_handler
    async def answer(self, message: Request, ctx: MessageContext) -> Inform:
        return Inform(message.content)


class Initiator(RoutedAgent):
    def __init__(self):
        super().__init__("initiator")

    @message_handler
    async def begin(self, message: Go, ctx: MessageContext) -> None:
        bidders = [AgentId("bidder", key) for key in message.to]
        await asyncio.gather(*(self.negotiate(bidders) for _ in range(message.window)))

    async def negotiate(self, bidders):
        while True:
            await asyncio.gather(*(self.send_message(Cfp(CONTENT), bidder) for bidder in bidders))
            winner, losers = bidders[0], bidders[1:]
            rejections = [self.send_message(Reject(CONTENT), loser) for loser in losers]
            await asyncio.gather(self.send_message(Accept(CONTENT), winner), *rejections)
            add()


class Bidder(RoutedAgent):
    def __init__(self):
        super().__init__("bidder")

    @message_handler
    async def bid(self, message: Cfp, ctx: MessageContext) -> Propose:
        return Propose(CONTENT)

    @message_handler
    async def work(self, message: Accept, ctx: MessageContext) -> Inform:
        return Inform(CONTENT)

    @message_handler
    async def lose(self, message: Reject, ctx: MessageContext) -> None:
        pass


async def one_way(runtime, size, seconds):
    pairs = max(size // 2, 1)
    window, credit = window_of(pairs)
    await Source.register(runtime, "source", Source)
    await Sink.register(runtime, "sink", lambda: Sink(credit))
    for name in ("source", "sink"):
        await runtime.add_subscription(TypeSubscription(topic_type=name, agent_type=name))
    goes = [(Go([str(pair)], window, credit), AgentId("source", str(pair))) for pair in range(pairs)]
    return await begin(runtime, goes, seconds)


async def echo(runtime, size, seconds):
    await Asker.register(runtime, "asker", Asker)
    await Echo.register(runtime, "echo", Echo)
    pairs = range(max(size // 2, 1))
    goes = [(Go([str(pair)], ASKS, 0), AgentId("asker", str(pair))) for pair in pairs]
    return await begin(runtime, goes, seconds)


async def contract_net(runtime, size, seconds):
    await Initiator.register(runtime, "initiator", Initiator)
    await Bidder.register(runtime, "bidder", Bidder)
    bidders = [str(bidder) for bidder in range(size)]
    goes = [(Go(bidders, nets_of(size), 0), AgentId("initiator", str(number))) for number in range(2)]
    return await begin(runtime, goes, seconds)


async def begin(runtime, goes, seconds):
    """Tells agents to begin and measures; one that fails fails the run."""
    begun = [asyncio.create_task(runtime.send_message(go, agent)) for go, agent in goes]
    measured = await rate(count, seconds)
    for task in begun:
        if task.done():
            task.result()
    return measured


async def spawn_and_ask(runtime, first, size):
    asked = (runtime.send_message(Request(CONTENT), AgentId("echo", str(first + number))) for number in range(size))
    await asyncio.gather(*asked)


async def spawn(runtime, size, seconds):
    """Microseconds for each agent, which the runtime makes for its first message, from that to its answer."""
    await Echo.register(runtime, "echo", Echo)
    await spawn_and_ask(runtime, 0, 100)
    spent, spawned, first = 0.0, 0, 100
    while spent < seconds:
        begun = time.perf_counter()
        await spawn_and_ask(runtime, first, size)
        spent += time.perf_counter() - begun
        spawned += size
        first += size
    return spent * 1e6 / spawned


async def memory(runtime, size, _seconds):
    """Private bytes of each of so many agents that have answered once and wait."""
    await Echo.register(runtime, "echo", Echo)
    await spawn_and_ask(runtime, 0, 100)
    before = private_bytes()
    # A few at a time: what many calls at once need is not the memory of an idle agent.
    for first in range(100, 100 + size, 100):
        await spawn_and_ask(runtime, first, 100)
    await asyncio.sleep(0.5)
    return (private_bytes() - before) / size


WORKLOADS = {"oneway": one_way, "echo": echo, "contract-net": contract_net, "spawn": spawn, "memory": memory}


async def main():
    workload, size, seconds = arguments()
    if workload not in WORKLOADS:
        fail(f"no workload {workload} here")
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    print_and_exit(await WORKLOADS[workload](runtime, size, seconds))


asyncio.run(main())
