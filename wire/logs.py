"""structlog set-up, once per process. Field names are part of the contract (docs/protocol.md).

Fields that mean the same on both sides: `rig`, `group`, `workload`, `generation`, `order_id`,
`phase`, `reason`, `error`. Secrets are never logged.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

Logger = structlog.stdlib.BoundLogger


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
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def get(component: str, **fields: object) -> Logger:
    """A logger that names its component in every line."""
    logger: Logger = structlog.get_logger(component=component, **fields)
    return logger
