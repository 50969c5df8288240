"""What the contracts share: every store, and one Podman for all tests of containers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from controller.ports import Store
from controller.store.memory import MemoryStore
from controller.store.sql import SqlStore
from tests.parts.podman import Podman, podman_in


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """A real engine, with nothing in it but the tests' image.

    Its folder has a short name: with a long one its sockets have none, and each stop takes 20 s.
    """
    with (
        tempfile.TemporaryDirectory(prefix="rigshift-", dir="/tmp") as folder,
        podman_in(Path(folder)) as engine,
    ):
        yield engine


@pytest.fixture(params=["memory", "sql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """One that is empty, of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with closing(SqlStore.open(tmp_path / "store.db")) as opened:
        yield opened
