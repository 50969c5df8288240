from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systemd import machine
from tests.systemd.rig import RigMachine


@pytest.fixture(scope="package")
def rig() -> Iterator[RigMachine]:
    """A rig that no agent has run on yet; booted once for all tests here."""
    with machine.installed() as computer:
        made = RigMachine(computer)
        made.set_up()
        yield made
