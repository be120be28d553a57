"""SPADE: agents logged in at the XMPP server that it brings along, all in one process, where messages between them do not
pass the server. Each agent has one cyclic behaviour. Nothing checks deadlines, roles or late bids.
"""

import asyncio

import spade
from spade.agent import Agent
from spade.behaviour import CyclicBehaviour
from spade.message import Message

from measure import ASKS, CONTENT, arguments, fail, nets_of, print_and_exit, rate, window_of

# Agents that log in at the same time.
LOGINS_MAX = 10

counted = 0


def count():
    return counted


class Role(CyclicBehaviour):
    """Takes one message after the other."""

    async def run(self):
        message = await self.receive(timeout=60)
        if message is not None:
            await self.take(message, message.get_metadata("performative"))

    async def tell(self, to, performative, thread=None, content=CONTENT):
        metadata = {"performative": performative}
        await self.send(Message(to=to, body=content, thread=thread, metadata=metadata))

    @staticmethod
    def add():
        global counted
        counted += 1


class Source(Role):
    def __init__(self, sink, window, credit):
        super().__init__()
        self.sink, self.window, self.credit = sink, window, credit

    async def on_start(self):
        await self.inform(self.window)

    async def take(self, message, performative):
        await self.inform(self.credit)

    async def inform(self, times):
        for _ in range(times):
            await self.tell(self.sink, "inform")


class Sink(Role):
    def __init__(self, credit):
        super().__init__()
        self.credit, self.taken = credit, 0

    async def take(self, message, performative):
        self.add()
        self.taken += 1
        if self.taken % self.credit == 0:
            await self.tell(str(message.sender), "inform", content="")


class Asker(Role):
    def __init__(self, echo):
        super().__init__()
        self.echo = echo

    async def on_start(self):
        for _ in range(ASKS):
            await self.tell(self.echo, "request")

    async def take(self, message, performative):
        self.add()
        await self.tell(self.echo, "request", content=message.body)


class Echo(Role):
    async def take(self, message, performative):
        await self.tell(str(message.sender), "inform", content=message.body)


class Initiator(Role):
    def __init__(self, bidders):
        super().__init__()
        self.bidders, self.bids = bidders, {}

    async def on_start(self):
        for net in range(nets_of(len(self.bidders))):
            await self.call(str(net))

    async def call(self, net):
        self.bids[net] = []
        for bidder in self.bidders:
            await self.tell(bidder, "cfp", net)

    async def take(self, message, performative):
        net = message.thread
        if performative == "propose":
            bids = self.bids[net]
            bids.append(str(message.sender))
            if len(bids) == len(self.bidders):
                await self.tell(bids[0], "accept-proposal", net)
                for loser in bids[1:]:
                    await self.tell(loser, "reject-proposal", net)
        else:
            self.add()
            await self.call(net)


class Bidder(Role):
    async def take(self, message, performative):
        if performative == "cfp":
            await self.tell(str(message.sender), "propose", message.thread)
        elif performative == "accept-proposal":
            await self.tell(str(message.sender), "inform", message.thread)


def jid(name, number):
    return f"{name}-{number}@localhost"


async def start(agents):
    """Logs agents in and gives each its behaviour when all are there."""
    started = [Agent(name, "secret") for name, _ in agents]
    for some in range(0, len(started), LOGINS_MAX):
        await asyncio.gather(*(agent.start(auto_register=True) for agent in started[some : some + LOGINS_MAX]))
    for agent, (_, role) in zip(started, agents):
        agent.add_behaviour(role)


async def one_way(size, seconds):
    pairs = max(size // 2, 1)
    window, credit = window_of(pairs)
    sinks = [(jid("sink", pair), Sink(credit)) for pair in range(pairs)]
    sources = [(jid("source", pair), Source(jid("sink", pair), window, credit)) for pair in range(pairs)]
    await start(sinks + sources)
    return await rate(count, seconds)


async def echo(size, seconds):
    pairs = max(size // 2, 1)
    echoes = [(jid("echo", pair), Echo()) for pair in range(pairs)]
    askers = [(jid("asker", pair), Asker(jid("echo", pair))) for pair in range(pairs)]
    await start(echoes + askers)
    return await rate(count, seconds)


async def contract_net(size, seconds):
    names = [jid("bidder", number) for number in range(size)]
    bidders = [(name, Bidder()) for name in names]
    initiators = [(jid("initiator", number), Initiator(names)) for number in range(2)]
    await start(bidders + initiators)
    return await rate(count, seconds)


WORKLOADS = {"oneway": one_way, "echo": echo, "contract-net": contract_net}


async def main():
    workload, size, seconds = arguments()
    if workload not in WORKLOADS:
        fail(f"no workload {workload} here")
    try:
        print_and_exit(await WORKLOADS[workload](size, seconds))
    except Exception as error:  # SPADE would only log it
        fail(f"{type(error).__name__}: {error}")


spade.run(main(), embedded_xmpp_server=True)
fail("the XMPP server does not start: is port 5222 in use?")
