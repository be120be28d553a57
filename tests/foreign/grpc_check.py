#!/usr/bin/env python3
"""Uses a running server over gRPC as a stranger would: with Google's own client and no code of ours.

    python3 -m venv /some/venv
    /some/venv/bin/pip install grpcio-tools==1.85.1 grpcio-health-checking==1.85.1 grpcio-reflection==1.85.1 grpcio-status==1.85.1
    /some/venv/bin/python tests/foreign/grpc_check.py --address 127.0.0.1:8401 --component target/agents/echo_rust.wasm

It generates a client from proto/, deploys an agent, asks it, looks at it, watches it, attaches an agent of its own, runs a
contract net and a job, and looks at health and reflection. It prints what it did and ends with status 1 at the first
difference from what docs/reference/grpc.md says.
"""

import argparse
import importlib
import pathlib
import queue
import sys
import tempfile

import grpc
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHUNK_BYTES = 64 * 1024
SERVICES = [
    "Agent", "Attachment", "Component", "ContractNet", "Conversation", "DeadLetter", "Event", "Job", "Log", "Message",
    "Plugin", "Server",
]


def generate(folder):
    """Makes the client from the .proto files and gives its modules by the file's name."""
    files = sorted((ROOT / "proto/caxton/v1").glob("*.proto"))
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{well_known}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main(arguments + [str(file) for file in files]) != 0:
        sys.exit("the .proto files do not compile")
    sys.path.insert(0, str(folder))
    modules = {}
    for file in files:
        modules[file.stem] = importlib.import_module(f"caxton.v1.{file.stem}_pb2")
        modules[f"{file.stem}_grpc"] = importlib.import_module(f"caxton.v1.{file.stem}_pb2_grpc")
    return modules


def expect(what, found, wanted):
    """Prints what was found; ends the run when it is something else."""
    if found != wanted:
        sys.exit(f"DIFFERENT {what}: expected {wanted!r}, found {found!r}")
    print(f"ok  {what}: {found!r}")


def refused(what, call, status, code):
    """Expects a call to be refused with a status and with our code in its details."""
    try:
        call()
    except grpc.RpcError as error:
        rich = rpc_status.from_call(error)
        info = error_details_pb2.ErrorInfo()
        found = [detail for detail in (rich.details if rich else []) if detail.Unpack(info)]
        expect(what, (error.code().name, info.reason if found else None), (status, code))
        return error
    sys.exit(f"DIFFERENT {what}: expected {status}, found an answer")


class Outside:
    """An agent outside of the server: a stream up and a stream down."""

    def __init__(self, check, name):
        self.check = check
        self.requests = queue.Queue()
        messages = check.modules["attachments"]
        self.says(open=messages.OpenAttachmentRequest(name=name, capabilities=["bid"]))
        self.stream = check.stub("attachments", "Attachment").Attach(iter(self.requests.get, None))
        self.number = 0
        self.waiting = []
        expect(f"{name} attached", next(self.stream).opened.name.split("@")[0], name)

    def says(self, **action):
        self.requests.put(self.check.modules["attachments"].AttachRequest(**action))

    def next(self, kind):
        """The next event of a kind; others wait. A message is acknowledged at once."""
        for index, event in enumerate(self.waiting):
            if event.WhichOneof("event") == kind:
                return getattr(self.waiting.pop(index), kind)
        while True:
            event = next(self.stream)
            if event.WhichOneof("event") == "delivery":
                acknowledge = self.check.modules["attachments"].AttachAcknowledge(sequence=event.delivery.sequence)
                self.says(acknowledge=acknowledge)
            if event.WhichOneof("event") == kind:
                return getattr(event, kind)
            self.waiting.append(event)

    def send(self, *messages):
        self.number += 1
        self.says(send=self.check.modules["attachments"].AttachSend(number=self.number, messages=messages))
        sent = self.next("sent")
        for item in sent.items:
            if item.WhichOneof("outcome") != "accepted":
                sys.exit(f"DIFFERENT send: {item.refused.code} {item.refused.detail}")
        return sent.items

    def hears(self, act):
        message = self.next("delivery").message
        expect("heard", self.check.act(message), act)
        return message

    def close(self):
        self.says(close=self.check.modules["attachments"].AttachClose())
        self.next("closed")
        self.requests.put(None)


class Check:
    """One run against one server."""

    def __init__(self, address, modules):
        self.modules = modules
        self.channel = grpc.insecure_channel(address)
        grpc.channel_ready_future(self.channel).result(timeout=20)

    def stub(self, file, service):
        return getattr(self.modules[f"{file}_grpc"], f"{service}ServiceStub")(self.channel)

    def act(self, message):
        return self.modules["acl"].Performative.Name(message.performative).removeprefix("PERFORMATIVE_").lower()

    def message(self, act, **fields):
        performative = self.modules["acl"].Performative.Value(f"PERFORMATIVE_{act.upper()}")
        return self.modules["acl"].Message(performative=performative, **fields)

    def health(self):
        stub = health_pb2_grpc.HealthStub(self.channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        for service in ["", *(f"caxton.v1.{name}Service" for name in SERVICES)]:
            found = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status
            expect(f"health of {service or 'the server'}", found, serving)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        expect("health watched", next(watch).status, serving)
        watch.cancel()

    def reflection(self):
        database = ProtoReflectionDescriptorDatabase(self.channel)
        found = set(database.get_services())
        expect("services by reflection", sorted(found & {f"caxton.v1.{name}Service" for name in SERVICES}),
               [f"caxton.v1.{name}Service" for name in SERVICES])
        pool = descriptor_pool.DescriptorPool(database)
        method = pool.FindServiceByName("caxton.v1.AgentService").FindMethodByName("GetAgent")
        expect("a method by reflection", method.input_type.full_name, "caxton.v1.GetAgentRequest")

    def deploy(self, component, name):
        file = pathlib.Path(component)
        messages, agents = self.modules["components"], self.modules["agents"]
        content = file.read_bytes()
        chunks = (content[at:at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES))
        pieces = (messages.PutComponentRequest(chunk=chunk) for chunk in chunks)
        stored = self.stub("components", "Component").PutComponent(pieces, timeout=300).component
        expect("component stored", stored.bytes, len(content))
        manifest = agents.AgentManifest(name=name, component=stored.digest)
        stub = self.stub("agents", "Agent")
        agent = stub.DeployAgent(agents.DeployAgentRequest(manifest=manifest), timeout=300).agent
        while agent.state == agents.AGENT_STATE_STARTING:
            agent = stub.GetAgent(agents.GetAgentRequest(name=name), timeout=10).agent
        expect("agent deployed", agents.AgentState.Name(agent.state), "AGENT_STATE_ACTIVE")
        refused("deployed twice", lambda: stub.DeployAgent(agents.DeployAgentRequest(manifest=manifest)),
                "ALREADY_EXISTS", "CX0420")
        found = stub.GetAgent(agents.GetAgentRequest(name=name)).agent
        expect("agent shown", (found.name.split("@")[0], found.component), (name, stored.digest))
        names = [agent.name.split("@")[0] for agent in stub.ListAgents(agents.ListAgentsRequest()).items]
        expect("agent listed", name in names, True)

    def ask(self, name):
        stub, messages = self.stub("messages", "Message"), self.modules["messages"]
        question = self.message("request", receiver=[name], content=b"hello", protocol="fipa-request")
        answer = stub.Ask(messages.AskRequest(message=question), timeout=20).message
        expect("answer", (self.act(answer), answer.content), ("inform", b"hello"))
        nobody = self.message("request", receiver=["no-such-agent"], content=b"x")
        failure = stub.Ask(messages.AskRequest(message=nobody), timeout=5).message
        expect("nobody asked", (self.act(failure), b"CX0302" in failure.content), ("failure", True))
        forged = self.message("request", receiver=[name], sender="boss", content=b"x")
        refused("forged", lambda: stub.Ask(messages.AskRequest(message=forged), timeout=5), "PERMISSION_DENIED", "CX0314")
        outcomes = stub.SendMessages(messages.SendMessagesRequest(messages=[question, forged]), timeout=5)
        expect("outcomes", [item.WhichOneof("outcome") for item in outcomes.items], ["accepted", "refused"])
        parts = list(stub.AskStream(messages.AskStreamRequest(message=self.message(
            "request", receiver=[name], content=b"stream")), timeout=20))
        expect("streamed answers", parts[-1].last, True)
        return answer.conversation_id

    def conversation(self, identifier):
        messages = self.modules["conversations"]
        stub = self.stub("conversations", "Conversation")
        found = stub.GetConversation(messages.GetConversationRequest(id=identifier)).conversation
        expect("conversation", (found.id, found.protocol), (identifier, "fipa-request"))
        watched = next(stub.WatchConversation(messages.WatchConversationRequest(id=identifier), timeout=10)).conversation
        expect("conversation watched", watched.id, identifier)

    def events(self, name):
        messages = self.modules["events"]
        stream = self.stub("events", "Event").WatchEvents(messages.WatchEventsRequest(), timeout=20)
        for item in stream:
            if item.event.subject.split("@")[0] == name and item.event.state == "active":
                print(f"ok  event: {item.event.event} {item.event.subject} {item.event.state}")
                break
        stream.cancel()

    def contract_net(self):
        """An initiator and a bidder, both outside of the server."""
        buyer, seller = Outside(self, "check-buyer"), Outside(self, "check-seller")
        talk = {"protocol": "fipa-contract-net", "conversation_id": "check-net"}
        buyer.send(self.message("cfp", receiver=["check-seller"], content=b"paint", reply_with="1", **talk))
        call = seller.hears("cfp")
        talk_of_seller = {"protocol": call.protocol, "conversation_id": call.conversation_id}
        seller.send(self.message("propose", receiver=[call.sender], content=b'{"price":7}', reply_with="2",
                                 in_reply_to=call.reply_with, **talk_of_seller))
        proposal = buyer.hears("propose")
        expect("proposal answers the call", (proposal.in_reply_to, proposal.content), ("1", b'{"price":7}'))
        buyer.send(self.message("accept_proposal", receiver=["check-seller"], content=b"do it", reply_with="3",
                                in_reply_to=proposal.reply_with, **talk))
        accepted = seller.hears("accept_proposal")
        seller.send(self.message("inform", receiver=[accepted.sender], content=b"painted",
                                 in_reply_to=accepted.reply_with, **talk_of_seller))
        expect("result", buyer.hears("inform").content, b"painted")
        buyer.close()
        seller.close()

    def job(self, name):
        messages = self.modules["jobs"]
        stub = self.stub("jobs", "Job")
        items = [messages.JobItem(key=str(number), content=b"item %d" % number) for number in range(20)]
        job = stub.CreateJob(messages.CreateJobRequest(agent=name, items=items), timeout=10).job
        results = list(stub.StreamJobResults(messages.StreamJobResultsRequest(id=job.id), timeout=60))
        expect("results of a job", len(results), 20)
        job = stub.GetJob(messages.GetJobRequest(id=job.id)).job
        expect("job", messages.JobState.Name(job.state), "JOB_STATE_COMPLETED")
        refused("unknown job", lambda: stub.GetJob(messages.GetJobRequest(id="00000000-0000-4000-8000-000000000001")), "NOT_FOUND", "CX0609")

    def server(self):
        messages = self.modules["server"]
        stub = self.stub("server", "Server")
        status = stub.GetStatus(messages.GetStatusRequest()).status
        expect("server ready", status.ready, True)
        expect("books hold", status.accounting.holds, True)
        config = stub.GetConfig(messages.GetConfigRequest()).config
        expect("configuration", len(config.entries) > 10, True)
        plugins = self.stub("plugins", "Plugin").ListPlugins(self.modules["plugins"].ListPluginsRequest()).items
        expect("plugins", {"grpc", "router"} <= {plugin.name for plugin in plugins}, True)

    def remove(self, name):
        agents = self.modules["agents"]
        stub = self.stub("agents", "Agent")
        stub.DeleteAgent(agents.DeleteAgentRequest(name=name), timeout=30)
        refused("agent removed", lambda: stub.GetAgent(agents.GetAgentRequest(name=name)), "NOT_FOUND", "CX0421")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--address", default="127.0.0.1:8401", help="where the server listens")
    parser.add_argument("--component", required=True, help="a component that answers with what it was sent")
    parser.add_argument("--name", default="check-echo", help="the name to deploy it under")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        check = Check(options.address, generate(pathlib.Path(folder)))
        check.health()
        check.reflection()
        check.deploy(options.component, options.name)
        conversation = check.ask(options.name)
        check.conversation(conversation)
        check.events(options.name)
        check.job(options.name)
        check.contract_net()
        check.remove(options.name)
        check.server()
    print("all as expected")


if __name__ == "__main__":
    main()
