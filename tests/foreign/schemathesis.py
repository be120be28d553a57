#!/usr/bin/env python3
"""Runs schemathesis against a server that is up: generated requests for every operation that it describes.

    pip install schemathesis==4.32.5
    python3 tests/foreign/schemathesis.py --url http://127.0.0.1:8400 --minutes 10

Any status of 500 or above, any status, header, media type or document that the description does not have fails the run.
The requests deploy, delete, purge and reload whatever they come upon, so the server should be one for tests.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]
# Longer than any answer is held: 30 s for news, 30 s for an answer of an agent.
REQUEST_SECONDS = 75


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--url", default="http://127.0.0.1:8400", help="where the server is")
    arguments.add_argument("--minutes", type=float, default=10, help="how long generated requests are sent")
    arguments.add_argument("--seed", type=int, help="repeats a run")
    # More than one worker meets a fault of CPython 3.11 when schemathesis reads its own sources.
    arguments.add_argument("--workers", type=int, default=1, help="requests at a time")
    given, further = arguments.parse_known_args()
    beside = Path(sys.executable).with_name("schemathesis")
    tool = str(beside) if beside.is_file() else shutil.which("schemathesis")
    if tool is None:
        print("schemathesis is not installed: pip install schemathesis==4.32.5", file=sys.stderr)
        return 2
    command = [
        tool,
        "run",
        f"{given.url}/openapi.json",
        f"--max-time={max(1, int(given.minutes * 60))}",
        f"--workers={given.workers}",
        f"--request-timeout={REQUEST_SECONDS}",
        f"--checks={','.join(CHECKS)}",
        "--suppress-health-check=all",
        "--continue-on-failure",
        "--no-color",
    ]
    if given.seed is not None:
        command.append(f"--seed={given.seed}")
    hooks = {"SCHEMATHESIS_HOOKS": "wasm_bytes", "PYTHONPATH": str(Path(__file__).resolve().parent / "hooks")}
    # Elsewhere, because a file of this name beside it is taken for the tool's own.
    folder = tempfile.gettempdir()
    return subprocess.run(command + further, env=os.environ | hooks, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
