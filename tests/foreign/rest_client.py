"""A client of the HTTP interface, written on `requests` alone, as an integrator would write it.

It deploys an agent, asks it, holds a contract net between agents outside of the server, takes an answer in parts, runs a
batch with failures in it, cancels a job, and reads the conversation. It ends with an error at the first thing that is not
as docs/reference/control.md says, and prints what it saw as one JSON document.
"""

import argparse
import json
import threading
import time
import uuid

import requests

WAIT_MS = 10_000
BATCH = 1_000
BATCH_FAILURES = 10


class Client:
    """The resources that are used here, each a line or two."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        self.session = requests.Session()

    def call(self, method, path, expected, **arguments):
        response = self.session.request(method, self.url + path, timeout=60, **arguments)
        assert response.status_code in expected, (method, path, response.status_code, response.text)
        return response.json()

    def stream(self, method, path, **arguments):
        """The events of a stream: name and data, until the server ends it."""
        headers = {"Accept": "text/event-stream"}
        with requests.request(
            method, self.url + path, headers=headers, stream=True, timeout=60, **arguments
        ) as response:
            assert response.status_code == 200, response.text
            assert response.headers["Content-Type"].startswith("text/event-stream"), response.headers
            name, data = "message", []
            for line in response.iter_lines(decode_unicode=True):
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].strip())
                elif line == "" and data:
                    yield name, json.loads("\n".join(data))
                    name, data = "message", []


class Attached:
    """An agent outside of the server."""

    def __init__(self, url, name, **entry):
        self.client = Client(url)
        self.attachment = self.client.call("POST", "/v1/attachments", (201,), json={"name": name, **entry})
        self.name = self.attachment["name"]
        self.path = f"/v1/attachments/{self.attachment['id']}"
        self.after = 0
        self.waiting = []

    def receive(self, performative):
        """The next message with this act; others before it are an error."""
        deadline = time.monotonic() + 60
        while not self.waiting:
            assert time.monotonic() < deadline, f"{self.name} waited too long for {performative}"
            query = {"after": self.after, "limit": 10, "wait-ms": WAIT_MS}
            page = self.client.call("GET", self.path + "/messages", (200,), params=query)
            self.after = page["next"]
            self.waiting += [item["message"] for item in page["items"]]
        message = self.waiting.pop(0)
        assert message["performative"] == performative, (performative, message)
        return message

    def send(self, message):
        page = self.client.call("POST", self.path + "/messages", (207,), json={"messages": [message]})
        assert page["accepted"] == 1, page
        return page["items"][0]

    def answer(self, message, performative, content="", **more):
        """Answers in the conversation of a message, as FIPA asks for."""
        reply = {
            "performative": performative,
            "receiver": [message["sender"]],
            "content": content,
            "protocol": message["protocol"],
            "conversation-id": message["conversation-id"],
            **more,
        }
        if "reply-with" in message:
            reply["in-reply-to"] = message["reply-with"]
        return self.send(reply)

    def close(self):
        return self.client.call("DELETE", self.path, (200,))


def deploy(client, name, component):
    """Uploads a component and deploys an agent of it, or finds the agent that is there."""
    with open(component, "rb") as file:
        headers = {"Content-Type": "application/wasm"}
        stored = client.call("PUT", "/v1/components", (200, 201), data=file, headers=headers)
    agent = client.call("PUT", f"/v1/agents/{name}", (200, 201), json={"component": stored["digest"]})
    assert agent["state"] == "active" and agent["component"] == stored["digest"], agent
    return agent


def ask(client, name):
    question = {"performative": "request", "receiver": [name], "content": "hello", "protocol": "fipa-request"}
    answer = client.call("POST", "/v1/ask", (200,), json=question)
    assert (answer["performative"], answer["content"]) == ("inform", "hello"), answer
    return answer["performative"]


def sell(seller, price):
    """One bidder's part: propose, and do the work when it is accepted."""
    call = seller.receive("cfp")
    seller.answer(call, "propose", json.dumps({"price": price}), **{"reply-with": str(price)})
    decision = seller.waiting.pop(0) if seller.waiting else None
    while decision is None:
        query = {"after": seller.after, "limit": 10, "wait-ms": WAIT_MS}
        page = seller.client.call("GET", seller.path + "/messages", (200,), params=query)
        seller.after = page["next"]
        decision = next((item["message"] for item in page["items"]), None)
    if decision["performative"] == "accept-proposal":
        seller.answer(decision, "inform", f"done for {price}")
    else:
        assert decision["performative"] == "reject-proposal", decision


def contract_net(url, run):
    """One initiator and two bidders, all of them outside of the server; the cheaper one does the work."""
    buyer = Attached(url, f"buyer-{run}")
    sellers = {price: Attached(url, f"seller-{price}-{run}", groups=[f"sellers-{run}"]) for price in (7, 9)}
    bidders = [threading.Thread(target=sell, args=(seller, price)) for price, seller in sellers.items()]
    for bidder in bidders:
        bidder.start()
    conversation = str(uuid.uuid4())
    buyer.send({
        "performative": "cfp",
        "receiver": [f"group:sellers-{run}"],
        "content": "one page",
        "protocol": "fipa-contract-net",
        "conversation-id": conversation,
        "reply-with": "1",
        "reply-by": "+20s",
    })
    bids = [buyer.receive("propose"), buyer.receive("propose")]
    bids.sort(key=lambda bid: json.loads(bid["content"])["price"])
    assert [bid["sender"] for bid in bids] == [sellers[7].name, sellers[9].name], bids
    assert all(bid["conversation-id"] == conversation and bid["in-reply-to"] == "1" for bid in bids), bids
    buyer.answer(bids[0], "accept-proposal", "go", **{"reply-with": "2"})
    buyer.answer(bids[1], "reject-proposal")
    result = buyer.receive("inform")
    assert (result["content"], result["sender"]) == ("done for 7", sellers[7].name), result
    for bidder in bidders:
        bidder.join()
    for agent in (buyer, *sellers.values()):
        agent.close()
    return conversation


def conversation_of(client, conversation):
    """Who said what to whom, without what differs from run to run."""
    document = client.call("GET", f"/v1/conversations/{conversation}", (200,))
    assert document["protocol"] == "fipa-contract-net" and document["end"] == "completed", document
    said = [event["performative"] for event in document["events"] if event["event"] == "message.accepted"]
    return sorted(said)


def parts(client, name, count):
    """An answer in parts, each as it comes."""
    question = {"performative": "request", "receiver": [name], "content": str(count)}
    events = list(client.stream("POST", "/v1/ask", json=question))
    messages = [data for event, data in events if event == "message"]
    assert [event for event, _ in events][-1] == "end", events
    partial = [message.get("X-Partial") for message in messages]
    assert partial == ["true"] * count + [None], messages
    return len(messages)


def batch(client, name):
    """A thousand items, ten of which cannot be done; every item has its result."""
    bad = {index * (BATCH // BATCH_FAILURES) for index in range(BATCH_FAILURES)}
    items = [{"key": str(index), "content": "x" if index in bad else "0"} for index in range(BATCH)]
    job = client.call("POST", "/v1/jobs", (202,), json={"agent": name, "items": items, "concurrency": 32})
    path = f"/v1/jobs/{job['id']}"
    while job["state"] == "running":
        query = {"version": job["version"], "wait-ms": WAIT_MS}
        job = client.call("GET", path, (200,), params=query)
    counts = (job["state"], job["items"]["done"], job["items"]["failed"])
    assert counts == ("partial", BATCH - BATCH_FAILURES, BATCH_FAILURES), job
    found, after = {}, 0
    while True:
        page = client.call("GET", path + "/results", (200,), params={"after": after, "limit": 300})
        if not page["items"]:
            break
        found.update({item["key"]: item for item in page["items"]})
        after = page["next"]
    failed = {int(key) for key, item in found.items() if item["state"] == "failed"}
    assert len(found) == BATCH and failed == bad, (len(found), failed)
    assert all(item["code"] and item["reason"] for item in found.values() if item["state"] == "failed")
    resumed = client.call("POST", path + "/resume", (200,))
    assert resumed["items"]["done"] == BATCH - BATCH_FAILURES, resumed
    return list(counts)


def cancelled(client, url, run):
    """A job at an agent that does not answer: cancelling ends it, and the agent is told."""
    sleeper = Attached(url, f"sleeper-{run}")
    items = [{"key": str(index), "content": "zzz"} for index in range(5)]
    order = {"agent": sleeper.name, "items": items, "concurrency": 2, "timeout-ms": 60_000}
    job = client.call("POST", "/v1/jobs", (202,), json=order)
    for _ in range(2):
        sleeper.receive("request")
    job = client.call("POST", f"/v1/jobs/{job['id']}/cancel", (200,))
    for _ in range(2):
        sleeper.receive("cancel")
    while job["state"] in ("running", "cancelling"):
        query = {"version": job["version"], "wait-ms": WAIT_MS}
        job = client.call("GET", f"/v1/jobs/{job['id']}", (200,), params=query)
    assert (job["state"], job["items"]["cancelled"]) == ("cancelled", 5), job
    sleeper.close()
    return job["state"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:8400")
    arguments.add_argument("--echo", required=True, help="the component of the example agent echo")
    arguments.add_argument("--parts", required=True, help="the component of the example agent parts")
    given = arguments.parse_args()
    client, run = Client(given.url), uuid.uuid4().hex[:8]
    deploy(client, "foreign-echo", given.echo)
    deploy(client, "foreign-parts", given.parts)
    seen = {"answer": ask(client, "foreign-echo")}
    conversation = contract_net(given.url, run)
    seen["said"] = conversation_of(client, conversation)
    seen["parts"] = parts(client, "foreign-parts", 5)
    seen["batch"] = batch(client, "foreign-parts")
    seen["cancelled"] = cancelled(client, given.url, run)
    books = client.call("GET", "/v1/status", (200,))["accounting"]
    assert books["holds"], books
    print(json.dumps({"conversation": conversation, "seen": seen}))


if __name__ == "__main__":
    main()
