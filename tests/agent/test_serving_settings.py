"""Routes, prompts and answers in the rig's file: what check-config takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.core.route import Hook, HttpCall, Route
from tests.agent.test_unit_settings import load
from wire.configfile import ConfigError

UP = {"create": "/run/rigshift/llm.up"}
DOWN = {"remove": "/run/rigshift/llm.up"}


def call(**more: Any) -> dict[str, Any]:
    return {"http": {"url": "https://lb.example/servers/rig-1", **more}}


def test_a_route_is_read_as_it_is_written(tmp_path: Path) -> None:
    token = "/etc/rigshift/lb.token"
    written = {"close": call(method="PUT", body="{}", token_file=token), "open": UP, "settle_s": 0}
    rig = load(tmp_path, {"route": written})
    assert rig.groups[0].workloads[0].route == Route(
        close=Hook(
            http=HttpCall(
                url="https://lb.example/servers/rig-1", method="PUT", body="{}", token_file=token
            )
        ),
        open=Hook(create=UP["create"]),
        settle_s=0,
    )


@pytest.mark.parametrize(
    ("route", "problem"),
    [
        ({"open": UP}, "required field `close`"),
        ({"open": UP, "close": {}}, "route.close: name exactly one of `http`, `command`"),
        ({"open": UP, "close": {**DOWN, **UP}}, "route.close: name exactly one of"),
        ({"open": UP, "close": UP}, "route: `open` and `close` do the same"),
        ({"open": UP, "close": {"remove": "up"}}, "close.remove: 'up' must be an absolute path"),
        ({"open": UP, "close": {"delete": "/up"}}, "unknown field `delete`"),
        ({"open": UP, "close": call(url="ftp://lb/")}, "is not of the form https://HOST"),
        ({"open": UP, "close": call(url="https://lb:x/")}, "is not of the form https://HOST"),
        ({"open": UP, "close": call(url="lb.example")}, "is not of the form https://HOST"),
        ({"open": UP, "close": call(method="BREW")}, "method: 'BREW' is unknown; use one of"),
        ({"open": UP, "close": call(token_file="t")}, "token_file: 't' must be an absolute path"),
        (
            {"open": UP, "close": call(url="http://lb.example/", token_file="/t")},
            "the token would travel readable; use https://",
        ),
        ({"open": UP, "close": DOWN, "timeout_s": 0}, "timeout_s: must be above 0 and below"),
        ({"open": UP, "close": DOWN, "timeout_s": 60}, "below `deadlines.drain_s`"),
        ({"open": UP, "close": DOWN, "settle_s": 120}, "settle_s: must be 0 or more and below"),
    ],
)
def test_a_route_that_cannot_work_is_refused(
    tmp_path: Path, route: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, {"route": route})
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("readiness", "problem"),
    [
        ({"expect_pattern": "("}, "readiness.expect_pattern: no regular expression"),
        ({"prompt": "", "expect": "Paris"}, "without a `prompt` there is no answer to expect"),
        ({"max_tokens": 0}, "max_tokens: must be 1 to 4096, not 0"),
        ({"max_tokens": 5000}, "max_tokens: must be 1 to 4096, not 5000"),
        ({"prompt_timeout_s": 0}, "prompt_timeout_s: must be above 0 and finite"),
        ({"recheck_s": -1}, "recheck_s: must be 0 (never) or more"),
    ],
)
def test_a_known_answer_that_cannot_be_known_is_refused(
    tmp_path: Path, readiness: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, {"readiness": readiness})
    assert problem in str(error.value)
