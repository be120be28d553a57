"""A client of the gRPC interface, generated with grpcio-tools from `proto/` alone, as an integrator would write it.

It does what `rest_client.py` does over HTTP: deploys an agent, asks it, holds a contract net between agents outside of the
server, takes an answer in parts, runs a batch with failures in it, cancels a job, and reads the conversation. It ends with
an error at the first thing that is not as the contract says, and prints what it saw as one JSON document.
"""

import argparse
import json
import queue
import threading
import time
import uuid

import grpc

from caxton_stubs import load

(acl, _, agents, agents_grpc, attachments, attachments_grpc, components, components_grpc, conversations,
 conversations_grpc, jobs, jobs_grpc, messages, messages_grpc, server, server_grpc) = load(
    "acl", "agents", "attachments", "components", "conversations", "jobs", "messages", "server")

CHUNK = 256 * 1024
BATCH = 1_000
BATCH_FAILURES = 10
CALL_S = 60


def act(name):
    return acl.Performative.Value("PERFORMATIVE_" + name.upper().replace("-", "_"))


def act_name(number):
    return acl.Performative.Name(number).removeprefix("PERFORMATIVE_").lower().replace("_", "-")


class Attached:
    """An agent outside of the server, for as long as its stream lasts."""

    def __init__(self, channel, name, groups=()):
        self.requests = queue.Queue()
        self.deliveries = queue.Queue()
        self.number = 0
        stub = attachments_grpc.AttachmentServiceStub(channel)
        opening = attachments.OpenAttachmentRequest(name=name, groups=groups)
        self.requests.put(attachments.AttachRequest(open=opening))
        self.stream = stub.Attach(iter(self.requests.get, None))
        first = next(self.stream)
        assert first.WhichOneof("event") == "opened", first
        self.name = first.opened.name
        self.last = None
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for response in self.stream:
            kind = response.WhichOneof("event")
            if kind == "delivery":
                self.deliveries.put(response.delivery.message)
                acknowledge = attachments.AttachAcknowledge(sequence=response.delivery.sequence)
                self.requests.put(attachments.AttachRequest(acknowledge=acknowledge))
            elif kind == "sent":
                assert all(item.WhichOneof("outcome") == "accepted" for item in response.sent.items), response
            elif kind == "closed":
                self.last = response.closed

    def receive(self, *expected):
        message = self.deliveries.get(timeout=CALL_S)
        assert act_name(message.performative) in expected, (expected, message)
        return message

    def send(self, message):
        self.number += 1
        send = attachments.AttachSend(number=self.number, messages=[message])
        self.requests.put(attachments.AttachRequest(send=send))

    def answer(self, message, performative, content="", reply_with=None):
        """Answers in the conversation of a message, as FIPA asks for."""
        reply = acl.Message(
            performative=act(performative),
            receiver=[message.sender],
            content=content.encode(),
            protocol=message.protocol,
            conversation_id=message.conversation_id,
        )
        if message.HasField("reply_with"):
            reply.in_reply_to = message.reply_with
        if reply_with is not None:
            reply.reply_with = reply_with
        self.send(reply)

    def close(self):
        self.requests.put(attachments.AttachRequest(close=attachments.AttachClose()))
        self.reader.join(CALL_S)
        assert self.last is not None and self.last.name == self.name, self.last
        self.requests.put(None)


def deploy(channel, name, component):
    """Uploads a component in chunks and deploys an agent of it, or finds the agent that is there."""
    with open(component, "rb") as file:
        chunks = iter(lambda: file.read(CHUNK), b"")
        requests = (components.PutComponentRequest(chunk=chunk) for chunk in chunks)
        stored = components_grpc.ComponentServiceStub(channel).PutComponent(requests, timeout=CALL_S).component
    manifest = agents.AgentManifest(name=name, component=stored.digest)
    request = agents.ApplyAgentRequest(manifest=manifest)
    agent = agents_grpc.AgentServiceStub(channel).ApplyAgent(request, timeout=CALL_S).agent
    assert (agent.state, agent.component) == (agents.AGENT_STATE_ACTIVE, stored.digest), agent
    return agent


def ask(channel, name):
    question = acl.Message(
        performative=act("request"), receiver=[name], content=b"hello", protocol="fipa-request")
    stub = messages_grpc.MessageServiceStub(channel)
    answer = stub.Ask(messages.AskRequest(message=question), timeout=CALL_S).message
    assert (act_name(answer.performative), answer.content) == ("inform", b"hello"), answer
    return act_name(answer.performative)


def sell(seller, price):
    """One bidder's part: propose, and do the work when it is accepted."""
    call = seller.receive("cfp")
    seller.answer(call, "propose", json.dumps({"price": price}), reply_with=str(price))
    decision = seller.receive("accept-proposal", "reject-proposal")
    if act_name(decision.performative) == "accept-proposal":
        seller.answer(decision, "inform", f"done for {price}")


def contract_net(channel, run):
    """One initiator and two bidders, all of them outside of the server; the cheaper one does the work."""
    buyer = Attached(channel, f"buyer-{run}")
    sellers = {price: Attached(channel, f"seller-{price}-{run}", [f"sellers-{run}"]) for price in (7, 9)}
    bidders = [threading.Thread(target=sell, args=(seller, price)) for price, seller in sellers.items()]
    for bidder in bidders:
        bidder.start()
    conversation = str(uuid.uuid4())
    call = acl.Message(
        performative=act("cfp"),
        receiver=[f"group:sellers-{run}"],
        content=b"one page",
        protocol="fipa-contract-net",
        conversation_id=conversation,
        reply_with="1",
    )
    call.reply_by.FromNanoseconds(time.time_ns() + 20_000_000_000)
    buyer.send(call)
    bids = [buyer.receive("propose"), buyer.receive("propose")]
    bids.sort(key=lambda bid: json.loads(bid.content)["price"])
    assert [bid.sender for bid in bids] == [sellers[7].name, sellers[9].name], bids
    assert all((bid.conversation_id, bid.in_reply_to) == (conversation, "1") for bid in bids), bids
    buyer.answer(bids[0], "accept-proposal", "go", reply_with="2")
    buyer.answer(bids[1], "reject-proposal")
    result = buyer.receive("inform")
    assert (result.content, result.sender) == (b"done for 7", sellers[7].name), result
    for bidder in bidders:
        bidder.join()
    for agent in (buyer, *sellers.values()):
        agent.close()
    return conversation


def conversation_of(channel, conversation):
    """Who said what to whom, without what differs from run to run."""
    stub = conversations_grpc.ConversationServiceStub(channel)
    request = conversations.GetConversationRequest(id=conversation)
    document = stub.GetConversation(request, timeout=CALL_S).conversation
    assert (document.protocol, document.end) == ("fipa-contract-net", "completed"), document
    said = [event for event in document.events if event.event == "message.accepted"]
    return sorted(act_name(event.performative) for event in said)


def parts(channel, name, count):
    """An answer in parts, each as it comes."""
    question = acl.Message(performative=act("request"), receiver=[name], content=str(count).encode())
    request = messages.AskStreamRequest(message=question)
    stream = messages_grpc.MessageServiceStub(channel).AskStream(request, timeout=CALL_S)
    answers = list(stream)
    partial = [answer.message.parameters.get("X-Partial") for answer in answers]
    assert partial == ["true"] * count + [None], answers
    assert [answer.last for answer in answers] == [False] * count + [True], answers
    return len(answers)


def batch(channel, name):
    """A thousand items, ten of which cannot be done; every item has its result."""
    stub = jobs_grpc.JobServiceStub(channel)
    bad = {index * (BATCH // BATCH_FAILURES) for index in range(BATCH_FAILURES)}
    items = [jobs.JobItem(key=str(index), content=b"x" if index in bad else b"0") for index in range(BATCH)]
    order = jobs.CreateJobRequest(agent=name, items=items, concurrency=32)
    job = stub.CreateJob(order, timeout=CALL_S).job
    for response in stub.WatchJob(jobs.WatchJobRequest(id=job.id), timeout=CALL_S):
        job = response.job
        if job.state != jobs.JOB_STATE_RUNNING:
            break
    assert job.state == jobs.JOB_STATE_PARTIAL, job
    found, after = {}, 0
    while True:
        request = jobs.ListJobResultsRequest(id=job.id, after=after, limit=300)
        page = stub.ListJobResults(request, timeout=CALL_S)
        if not page.items:
            break
        found.update({item.key: item for item in page.items})
        after = page.next
    failed = {int(key) for key, item in found.items() if item.state == jobs.JOB_ITEM_STATE_FAILED}
    assert len(found) == BATCH and failed == bad, (len(found), failed)
    assert all(item.code and item.reason for item in found.values() if int(item.key) in bad)
    resumed = stub.ResumeJob(jobs.ResumeJobRequest(id=job.id), timeout=CALL_S).job
    assert resumed.items.done == BATCH - BATCH_FAILURES, resumed
    return ["partial", job.items.done, job.items.failed]


def cancelled(channel, run):
    """A job at an agent that does not answer: cancelling ends it, and the agent is told."""
    stub = jobs_grpc.JobServiceStub(channel)
    sleeper = Attached(channel, f"sleeper-{run}")
    items = [jobs.JobItem(key=str(index), content=b"zzz") for index in range(5)]
    order = jobs.CreateJobRequest(agent=sleeper.name, items=items, concurrency=2, timeout_ms=60_000)
    job = stub.CreateJob(order, timeout=CALL_S).job
    for _ in range(2):
        sleeper.receive("request")
    job = stub.CancelJob(jobs.CancelJobRequest(id=job.id), timeout=CALL_S).job
    for _ in range(2):
        sleeper.receive("cancel")
    while job.state in (jobs.JOB_STATE_RUNNING, jobs.JOB_STATE_CANCELLING):
        request = jobs.GetJobRequest(id=job.id, version=job.version, wait_ms=10_000)
        job = stub.GetJob(request, timeout=CALL_S).job
    assert (job.state, job.items.cancelled) == (jobs.JOB_STATE_CANCELLED, 5), job
    sleeper.close()
    return "cancelled"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--address", default="127.0.0.1:8401")
    arguments.add_argument("--echo", required=True, help="the component of the example agent echo")
    arguments.add_argument("--parts", required=True, help="the component of the example agent parts")
    given = arguments.parse_args()
    run = uuid.uuid4().hex[:8]
    with grpc.insecure_channel(given.address) as channel:
        deploy(channel, "foreign-echo", given.echo)
        deploy(channel, "foreign-parts", given.parts)
        seen = {"answer": ask(channel, "foreign-echo")}
        conversation = contract_net(channel, run)
        seen["said"] = conversation_of(channel, conversation)
        seen["parts"] = parts(channel, "foreign-parts", 5)
        seen["batch"] = batch(channel, "foreign-parts")
        seen["cancelled"] = cancelled(channel, run)
        status = server_grpc.ServerServiceStub(channel).GetStatus(server.GetStatusRequest(), timeout=CALL_S)
        assert status.status.accounting.holds, status
    print(json.dumps({"conversation": conversation, "seen": seen}))


if __name__ == "__main__":
    main()
