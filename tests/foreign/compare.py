"""Runs the steps of `scenario.json` over HTTP and over gRPC and compares the answers field by field.

Answers of gRPC are read with the generated code and protobuf's own JSON mapping; the only rules are those of the contract:
names with hyphens instead of underscores, enumerations as their last words in lower case, a wrapper of one document stands
for it, and what is absent is null, empty, zero or false. A refusal must have the same code and the same words.
"""

import argparse
import base64
import json
import re

import grpc
import requests
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from caxton_stubs import load

MODULES = ("agents", "attachments", "components", "conversations", "dead_letters", "events", "jobs", "logs",
           "messages", "plugins", "server")
LOADED = load(*MODULES)
STUBS = dict(zip(MODULES, zip(LOADED[::2], LOADED[1::2])))
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


def filled(value, names):
    """Puts the values of this run into a step."""
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"${name}", text)
        return value
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    return value


def document(message):
    """A message as the document that HTTP has for it."""
    fields = list(message.DESCRIPTOR.fields)
    oneofs = [oneof for oneof in message.DESCRIPTOR.oneofs if len(oneof.fields) > 1]
    if len(fields) == 1 and fields[0].message_type and not fields[0].is_repeated and not is_map(fields[0]):
        return document(getattr(message, fields[0].name))
    if message.DESCRIPTOR.full_name.startswith("google.protobuf."):
        return json_format.MessageToDict(message)
    found = {}
    for field in fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if field in [inner for oneof in oneofs for inner in oneof.fields]:
            found.update(document(value))
        elif field.type == field.TYPE_BYTES:
            found[named(field.name) + "-base64"] = base64.b64encode(value).decode()
        elif is_map(field):
            pairs = value.items()
            found[named(field.name)] = {key: scalar(field.message_type.fields_by_name["value"], item) for key, item in pairs}
        elif field.is_repeated:
            found[named(field.name)] = [scalar(field, item) for item in value]
        else:
            found[named(field.name)] = scalar(field, value)
    return found


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def scalar(field, value):
    if field.message_type is not None:
        return document(value)
    if field.enum_type is not None:
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", field.enum_type.name).upper() + "_"
        return named(field.enum_type.values_by_number[value].name.removeprefix(prefix).lower())
    return value


def named(name):
    return name.replace("_", "-")


def plain(value):
    """Leaves out what says nothing, and kinds, which a type has instead; times to the millisecond."""
    if isinstance(value, dict):
        if "content-base64" in value:
            value = {**value, "content": value["content-base64"]}
        elif isinstance(value.get("content"), str):
            value = {**value, "content": base64.b64encode(value["content"].encode()).decode()}
        kept = {key: plain(item) for key, item in value.items() if key not in ("kind", "content-base64")}
        return {key: item for key, item in kept.items() if item not in (None, "", 0, False, [], {})}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and TIME.match(value):
        return value.rstrip("Z").split(".")[0]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def over_rest(url, method, path, body=None):
    # Without spaces, as gRPC's documents are written: a refusal may name a column.
    data = None if body is None else json.dumps(body, separators=(",", ":"))
    headers = {} if body is None else {"Content-Type": "application/json"}
    response = requests.request(method, url + path, data=data, headers=headers, timeout=60)
    answer = response.json()
    if response.status_code >= 400 and "code" in answer:
        return {"refused": answer["code"], "detail": answer["detail"], "fix": answer["fix"]}
    return answer


def over_grpc(channel, module, service, method, request):
    pb2, pb2_grpc = STUBS[module]
    stub = getattr(pb2_grpc, f"{service}Stub")(channel)
    descriptor = pb2.DESCRIPTOR.services_by_name[service].methods_by_name[method]
    message = json_format.ParseDict(request, getattr(pb2, descriptor.input_type.name)())
    try:
        return document(getattr(stub, method)(message, timeout=60))
    except grpc.RpcError as error:
        return refusal(error)


def refusal(error):
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return {"refused": info.reason, "detail": status.message, "fix": info.metadata["fix"]}
    raise AssertionError(f"a refusal without ErrorInfo: {error}")


def differences(ours, theirs, path=""):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = sorted(set(ours) | set(theirs))
        return [found for key in keys for found in differences(ours.get(key), theirs.get(key), f"{path}.{key}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs))
        return [found for index, pair in pairs for found in differences(*pair, f"{path}[{index}]")]
    return [] if ours == theirs else [f"{path}: HTTP {ours!r}, gRPC {theirs!r}"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:8400")
    arguments.add_argument("--address", default="127.0.0.1:8401")
    arguments.add_argument("--scenario", default=__file__.replace("compare.py", "scenario.json"))
    arguments.add_argument("--conversation", nargs="*", default=[])
    given = arguments.parse_args()
    url = given.url.rstrip("/")
    with open(given.scenario, encoding="utf-8") as file:
        steps = json.load(file)
    names = {f"conversation{index}": text for index, text in enumerate(given.conversation)}
    agent = requests.get(f"{url}/v1/agents/foreign-echo", timeout=60).json()
    names["component"] = agent.get("component", "")
    wrong = []
    with grpc.insecure_channel(given.address) as channel:
        for step in steps:
            ignored = step.get("ignore", [])
            answers = [over_rest(url, *filled(step["rest"], names)), over_grpc(channel, *filled(step["grpc"], names))]
            kept = [plain({key: item for key, item in answer.items() if key not in ignored}) for answer in answers]
            wrong += [f"{step['name']}{found}" for found in differences(*kept)]
    assert not wrong, "\n".join(wrong)
    print(json.dumps({"compared": len(steps)}))


if __name__ == "__main__":
    main()
