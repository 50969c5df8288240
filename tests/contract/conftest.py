"""What the contracts share: one Podman for all tests of containers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
