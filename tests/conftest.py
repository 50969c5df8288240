"""How tests are shared out among processes: each by itself, but those of one machine together."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.scheduler.protocol import Scheduling

TOGETHER = "tests/systemd/"
"""They share a booted machine; two of them at once would fight over the host's control groups."""


class _Sharing(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(TOGETHER) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """The largest share comes first, which is the one that takes longest."""
    return _Sharing(config, log)
