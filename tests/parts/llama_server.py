"""llama.cpp's own server as a program: its C++ code, out of the wheel of xllamacpp.

The wheel holds the server but no `llama-server` program; this takes the few options of that
program that tests use, and otherwise only waits for the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import xllamacpp


def main() -> int:
    """Serve until a signal ends it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--api-key", required=True)
    arguments.add_argument("--ignore-term", action="store_true")
    arguments.add_argument("--exits", action="store_true", help="as soon as it serves")
    options = arguments.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = str(options.model)
    params.model_alias = {"alphabet"}
    params.port = options.port
    params.api_keys = [options.api_key]
    params.endpoint_metrics = True
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)
    sys.stderr.write(f"serves at {server.listening_address}\n")
    if options.ignore_term:
        signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    if options.exits:
        sys.stderr.flush()
        os._exit(3)  # Taking the server down in order may wait for its threads for ever.
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
