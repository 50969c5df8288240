"""What the contracts share: one Podman for all tests of containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.podman import Podman, podman_in


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """A real engine, with nothing in it but the tests' image."""
    with podman_in(Path(tmp_path_factory.mktemp("podman"))) as engine:
        yield engine
