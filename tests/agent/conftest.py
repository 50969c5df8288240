from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakenvml import library
from tests.fakenvml.library import FakeDriver


@pytest.fixture(scope="session")
def fake_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library.build(tmp_path_factory.mktemp("fakenvml"))


@pytest.fixture(scope="session")
def old_fake_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library.build(tmp_path_factory.mktemp("oldfakenvml"), "OLD_DRIVER")


@pytest.fixture
def driver(fake_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    """The fake driver, for collectors that this test starts."""
    return _installed(FakeDriver(fake_library, tmp_path / "script"), monkeypatch)


@pytest.fixture
def old_driver(
    old_fake_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeDriver:
    return _installed(FakeDriver(old_fake_library, tmp_path / "script"), monkeypatch)


def _installed(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    driver.does()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(driver.library_dir))
    monkeypatch.setenv("FAKE_NVML_SCRIPT", str(driver.script))
    return driver
