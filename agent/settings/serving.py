"""Whether what a rig's file says of serving requests fits together: routes, prompts and answers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import PurePath
from urllib.parse import urlsplit

from agent.core.route import Hook, HttpCall, Route
from agent.core.workload import Workload

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

TOKENS_MAX = 4096
"""Of the answer to a known prompt; a longer one would keep paying work waiting."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def problems(where: str, workload: Workload) -> Iterator[str]:
    """What each value alone cannot show."""
    yield from _answer_problems(f"{where}: readiness", workload)
    if workload.route is not None:
        yield from _route_problems(f"{where}: route", workload.route, workload)


def _answer_problems(where: str, workload: Workload) -> Iterator[str]:
    readiness = workload.readiness
    try:
        re.compile(readiness.expect_pattern)
    except re.error as error:
        yield f"{where}.expect_pattern: no regular expression: {error}"
    if not readiness.prompt and (readiness.expect or readiness.expect_pattern):
        yield f"{where}: without a `prompt` there is no answer to expect; write one"
    if not 1 <= readiness.max_tokens <= TOKENS_MAX:
        yield f"{where}.max_tokens: must be 1 to {TOKENS_MAX}, not {readiness.max_tokens}"
    if not 0 < readiness.prompt_timeout_s < math.inf:
        yield f"{where}.prompt_timeout_s: must be above 0 and finite"
    if not 0 <= readiness.recheck_s < math.inf:
        yield f"{where}.recheck_s: must be 0 (never) or more, and finite"


def _route_problems(where: str, route: Route, workload: Workload) -> Iterator[str]:
    limits = workload.deadlines
    if not 0 < route.timeout_s < min(limits.drain_s, limits.start_s):
        yield (
            f"{where}.timeout_s: must be above 0 and below `deadlines.drain_s` and "
            "`deadlines.start_s`, for the route is closed within both"
        )
    if not 0 <= route.settle_s < limits.drain_s:
        yield f"{where}.settle_s: must be 0 or more and below `deadlines.drain_s`"
    if route.open == route.close:
        yield f"{where}: `open` and `close` do the same; each must undo the other"
    yield from _hook_problems(f"{where}.open", route.open)
    yield from _hook_problems(f"{where}.close", route.close)


def _hook_problems(where: str, hook: Hook) -> Iterator[str]:
    deeds = (hook.http, hook.command, hook.create, hook.remove)
    if sum(map(bool, deeds)) != 1:
        yield f"{where}: name exactly one of `http`, `command`, `create` and `remove`"
    for name, path in (("create", hook.create), ("remove", hook.remove)):
        yield from _path_problems(f"{where}.{name}", path)
    if hook.http is not None:
        yield from _call_problems(f"{where}.http", hook.http)


def _call_problems(where: str, call: HttpCall) -> Iterator[str]:
    try:
        parts = urlsplit(call.url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if not usable:
        yield f"{where}.url: {call.url!r} is not of the form https://HOST:PORT/PATH"
    elif call.token_file and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        yield f"{where}.url: the token would travel readable; use https://"
    if call.method not in METHODS:
        yield f"{where}.method: {call.method!r} is unknown; use one of {', '.join(sorted(METHODS))}"
    yield from _path_problems(f"{where}.token_file", call.token_file)
    yield from _path_problems(f"{where}.ca_file", call.ca_file)


def _path_problems(where: str, path: str) -> Iterator[str]:
    if path and not PurePath(path).is_absolute():
        yield f"{where}: {path!r} must be an absolute path"
