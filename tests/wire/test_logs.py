"""Log lines go to standard error, for machines or for people, from the chosen level on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from wire import logs


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_lines_for_machines_name_their_component_and_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(json=True)
    logs.get("uplink", rig="rig-1").warning("refused", reason="expired")
    told = capsys.readouterr()
    assert told.out == ""
    line = json.loads(told.err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "refused",
        "level": "warning",
        "component": "uplink",
        "rig": "rig-1",
        "reason": "expired",
    }


def test_lines_for_people_are_plain_where_nobody_sees_colours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(json=False)
    logs.get("reactor").info("phase", phase="running")
    told = capsys.readouterr().err
    assert "phase=running" in told
    assert "\x1b" not in told


def test_lines_below_the_level_are_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True, level="error")
    logs.get("x").warning("noise")
    logs.get("x").error("trouble")
    assert json.loads(capsys.readouterr().err)["event"] == "trouble"


def test_an_exception_is_written_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    try:
        raise ValueError("why")
    except ValueError as error:
        logs.get("x").error("crashed", exc_info=error)
    assert "ValueError: why" in json.loads(capsys.readouterr().err)["exception"]


def test_a_line_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure(json=True)
    log = logs.get("uplink")
    with monkeypatch.context() as patched, Path(os.devnull).open("w") as closed:
        patched.setattr(sys, "stderr", closed)
        closed.close()
        log.warning("lost")


def test_lines_go_to_standard_error_as_it_is_now(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    log = logs.get("uplink")
    log.info("before")
    capsys.readouterr()
    with contextlib.redirect_stderr(io.StringIO()) as elsewhere:
        log.info("after")
    assert "after" in elsewhere.getvalue()
    assert capsys.readouterr().err == ""
