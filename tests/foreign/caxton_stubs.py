"""Generates the Python code of `proto/` with grpcio-tools into a folder of this process, and imports it."""

import importlib
import pathlib
import sys
import tempfile

import grpc_tools
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def load(*names):
    """The modules `caxton.v1.NAME_pb2` and `caxton.v1.NAME_pb2_grpc` of each name."""
    out = tempfile.mkdtemp(prefix="caxton-stubs-")
    files = sorted(str(path) for path in PROTO.glob("caxton/v1/*.proto"))
    included = str(pathlib.Path(grpc_tools.__file__).parent / "_proto")
    arguments = ["protoc", f"-I{PROTO}", f"-I{included}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main(arguments + files) == 0, "protoc failed"
    sys.path.insert(0, out)
    modules = []
    for name in names:
        modules.append(importlib.import_module(f"caxton.v1.{name}_pb2"))
        modules.append(importlib.import_module(f"caxton.v1.{name}_pb2_grpc"))
    return modules
