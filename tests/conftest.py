"""How tests are shared out among processes: each by itself, but those of one machine together."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.scheduler.protocol import Scheduling

TOGETHER = (
    "tests/systemd/",
    "tests/contract/test_containers.py",
    "tests/agent/test_switch_table.py",
)
"""They share a machine, a container engine or a search that takes long.

Two machines or engines at once would fight over control groups.
"""


class _Sharing(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return next((share for share in TOGETHER if nodeid.startswith(share)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """The largest shares come first, which are those that take longest."""
    return _Sharing(config, log)
