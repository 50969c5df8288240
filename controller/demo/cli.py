"""The `demo` verb of the operator's command line; nothing of the demo is loaded until it runs."""

from __future__ import annotations

import argparse
import importlib


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `rigshift demo`."""
    parser = verbs.add_parser("demo", help="a whole simulated fleet on this machine")
    parser.set_defaults(run=_run, local=True)


def _run(args: argparse.Namespace) -> int:
    demo = importlib.import_module("controller.demo.__main__")
    return int(demo.run(args))
