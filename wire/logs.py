"""structlog set-up, once per process. Field names are part of the contract (docs/protocol.md).

Fields that mean the same on both sides: `rig`, `group`, `workload`, `generation`, `order_id`,
`phase`, `reason`, `error`. Secrets are never logged.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any, TextIO, cast

import structlog

Logger = structlog.stdlib.BoundLogger


class _StandardError:
    """Standard error as it is at each line; what it does not take is lost, and stops nobody."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(*, json: bool, level: str = "info") -> None:
    """Send log lines to standard error: JSON for machines, else readable text."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )


def get(component: str, **fields: object) -> Logger:
    """A logger that names its component in every line."""
    logger: Logger = structlog.get_logger(component=component, **fields)
    return logger
