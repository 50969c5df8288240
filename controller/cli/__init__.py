"""The operator's command line. It decides nothing: every verb is one question to the API."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from controller.cli import arguments
from controller.cli.client import Client, ClientError
from controller.cli.terminal import Terminal

FAILED = 1
"""Exit code: the operation failed, or found trouble."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one command and return its exit code: 0 fine, 1 failed or trouble, 2 bad input."""
    args = arguments.parse(sys.argv[1:] if argv is None else argv, environ)
    terminal = Terminal(json=args.json)
    try:
        if args.local:
            return int(args.run(args))
        with Client.connect(args.url, args.token_file, args.ca_file) as client:
            return int(args.run(args, client, terminal))
    except ClientError as error:
        terminal.complain(str(error), error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        terminal.complain("interrupted", "nothing was ordered after this point")
        return FAILED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
