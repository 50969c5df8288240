"""The command line against a real server over a real store and a small desk."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from controller.answers import Check, GroupLine
from controller.api import auth
from controller.api.app import create_app
from controller.api.server import Server, serve
from controller.cli import main, waiting
from controller.core.model import GroupKey, GroupView
from controller.operations import Operations
from controller.overview import group_lines
from controller.store.memory import MemoryStore
from controller.store.sql import SqlStore
from tests.controller.desk import SmallDesk, view
from wire.model import Phase, Rejection


class LivelyDesk(SmallDesk):
    """A desk whose rigs take a step whenever somebody looks."""

    lively = True

    def views(self) -> tuple[GroupView, ...]:
        if self.lively:
            self.advance()
        return super().views()


class Farm:
    """A controller in a thread of its own, with its own loop and its own store."""

    def __init__(self, directory: Path) -> None:
        self.token_file = directory / "token"
        auth.create(self.token_file, "anna")
        self.desk: LivelyDesk
        self.url = ""
        self._directory = directory
        self._listening = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._listening.wait(30)

    def environ(self) -> dict[str, str]:
        return {"RIGSHIFT_URL": self.url, "RIGSHIFT_TOKEN_FILE": str(self.token_file)}

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        with closing(SqlStore.open(self._directory / "store.db")) as store:
            server = await self._start(store)
            self.url = server.url
            self._listening.set()
            await self._closing.wait()
            await server.close()

    async def _start(self, store: SqlStore) -> Server:
        self.desk = LivelyDesk(
            store,
            view("rig-01", "g0", active="etc"),
            view("rig-01", "g1", active="etc"),
            view("rig-02", "g0", active=None, site="lagos"),
        )
        numbers = count(1)
        operations = Operations(
            self.desk, store, now=lambda: self.desk.now, new_id=lambda: f"{next(numbers):04x}"
        )
        tokens = auth.load(self.token_file)
        app = create_app(operations, tokens=tokens, metrics=lambda _: (b"", "text/plain"))
        return await serve(app, "127.0.0.1", 0)


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    monkeypatch.setattr(waiting, "POLL_S", 0.001)
    monkeypatch.delenv("COLUMNS", raising=False)
    with closing(Farm(tmp_path)) as made:
        yield made


class Shell:
    """Runs commands as an operator would, and keeps what they print."""

    def __init__(self, farm: Farm, capfd: pytest.CaptureFixture[str]) -> None:
        self._farm = farm
        self._capfd = capfd
        self.out = ""
        self.err = ""

    def __call__(self, *argv: str, environ: dict[str, str] | None = None) -> int:
        try:
            code = main(argv, self._farm.environ() if environ is None else environ)
        except SystemExit as left:
            code = int(left.code or 0)
        self.out, self.err = self._capfd.readouterr()
        return code


@pytest.fixture
def shell(farm: Farm, capfd: pytest.CaptureFixture[str]) -> Shell:
    return Shell(farm, capfd)


REASON = ("--reason", "a customer came")


def test_switch_waits_until_the_groups_are_there(shell: Shell, farm: Farm) -> None:
    assert shell("switch", "rig-01", "llama", *REASON, "--for", "3h") == 0
    told = shell.err.splitlines()
    for phase in ("preparing", "stopping", "vacating", "starting", "probing", "runs llama"):
        assert f"rig-01/g1: {phase}" in told
    assert told[-1].startswith("2 of 2 GPU groups are there; the order stands for 3h; undo it")
    assert "Order hold-0001 stands until" in shell.out
    assert {found.status.active for found in farm.desk.views() if found.status} == {"llama"}


def test_switch_to_off_waits_until_they_stand_still(shell: Shell) -> None:
    assert shell("switch", "rig-01/g0", "off", *REASON) == 0
    assert "rig-01/g0: stands still" in shell.err


def test_no_wait_returns_at_once(shell: Shell, farm: Farm) -> None:
    farm.desk.lively = False
    assert shell("switch", "rig-01", "llama", *REASON, "--no-wait", "--json") == 0
    assert json.loads(shell.out)["order"] == "hold-0001"
    assert shell.err == ""


def test_a_dry_run_prints_the_cost_and_orders_nothing(shell: Shell, farm: Farm) -> None:
    assert shell("switch", "rig-01", "etc", *REASON, "--dry-run") == 0
    assert "-3.000 $/h" in shell.out
    assert "Dry run: nothing was changed" in shell.out
    assert shell("status", "--json") == 0
    assert json.loads(shell.out)["holds"] == []


def test_a_workload_that_fails_is_exit_code_1_with_the_reason(shell: Shell, farm: Farm) -> None:
    farm.desk.refusing.add("llama")
    assert shell("switch", "rig-01/g0", "llama", *REASON) == 1
    assert "llama failed: no share was accepted in 120 s" in shell.err
    assert "undo it with `rigshift release hold-0001`" in shell.err


def test_an_offline_rig_is_not_waited_for(shell: Shell, farm: Farm) -> None:
    key = GroupKey("rig-02", "g0")
    farm.desk.fleet[key] = replace(farm.desk.fleet[key], online=False)
    assert shell("switch", "rig-0*", "llama", *REASON) == 1
    assert "not there: rig-02/g0: its rig is offline; it will follow when it is back" in shell.err


def test_waiting_ends(shell: Shell, farm: Farm) -> None:
    farm.desk.lively = False
    assert shell("switch", "rig-01/g0", "llama", *REASON, "--timeout", "0s") == 1
    assert "waiting for its rig to confirm the order" in shell.err


def test_an_interrupt_leaves_the_order_standing_and_says_so(farm: Farm) -> None:
    farm.desk.lively = False
    command = "import sys; from controller.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "switch", "rig-01/g0", "llama", *REASON],
        cwd=Path(__file__).parents[2],
        env=farm.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("rig-01/g0: waiting for its rig")
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 1
    assert "interrupted while waiting" in rest
    assert "the order stands for 2h; undo it with `rigshift release hold-0001`" in rest


def test_hold_and_release(shell: Shell) -> None:
    assert shell("hold", "site=oslo", "--reason", "night", "--for", "1d") == 0
    assert "Order hold-0001 stands until" in shell.out
    assert shell("status") == 0
    assert "hold-0001-2" in shell.out
    assert shell("release", "hold-0001-1") == 0
    assert "hold-0001-1" in shell.out
    assert shell("release", "rig-01/g1") == 0
    assert shell("release", "hold-0001") == 2
    assert "`rigshift rigs` lists what there is" in shell.err


def test_questions_are_answered_in_tables_and_in_json(shell: Shell, farm: Farm) -> None:
    farm.desk.poke()
    verbs = ("status", "rigs", "plan", "quotes", "events", "doctor")
    for verb in (*([verb] for verb in verbs), ["explain", "rig-02"]):
        assert shell(*verb) == 0, verb
        assert shell.out
        assert "\x1b" not in shell.out
        assert shell(*verb, "--json") == 0
        json.loads(shell.out)


def test_explain_shows_every_option_and_the_distance(shell: Shell, farm: Farm) -> None:
    farm.desk.poke()
    assert shell("explain", "rig-01/g0") == 0
    for words in ("chosen: llama, because pays most", "gains 1.500 $/h", "* llama", "  etc", "off"):
        assert words in shell.out


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("verb", ["status", "rigs", "plan", "quotes", "events", "doctor"])
def test_tables_fit_and_keep_every_name(
    shell: Shell, farm: Farm, monkeypatch: pytest.MonkeyPatch, columns: str, verb: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    farm.desk.lively = False
    assert shell("switch", "*", "etc", "--reason", "r" * 200, "--no-wait") == 0
    farm.desk.checks[1] = Check("feeds", False, "etc_usd has been silent for 2 hours, " * 5)
    shell(verb)
    assert max(map(len, shell.out.splitlines())) <= int(columns)
    events, doctor = ["anna", "switch"], ["feeds", "TROUBLE"]
    expected = {"doctor": doctor, "events": events, "quotes": ["etc_usd", "20"]}
    for name in expected.get(verb, ["rig-01", "rig-02"]):
        assert name in shell.out


def test_doctor_fails_when_it_finds_trouble(shell: Shell, farm: Farm) -> None:
    assert shell("doctor") == 1
    assert "the first plan is not made yet" in shell.out
    farm.desk.poke()
    assert shell("doctor") == 0


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["switch", "site=paris", "etc", *REASON], 2, "site is one of: lagos, oslo"),
        (["switch", "colour=red", "etc", *REASON], 2, "unknown key 'colour'"),
        (["switch", "*", "doge", *REASON], 2, "all of them offer: etc, llama, off"),
        (["switch", "*", "etc"], 2, "--reason"),
        (["switch", "*", "etc", *REASON, "--for", "2"], 2, "such as 90s, 30m, 2h or 3d"),
        (["switch", "*", "etc", *REASON, "--for", "30d"], 2, "less than or equal"),
        (["explain", "rig-77"], 2, "the groups are: rig-01/g0"),
        (["plan"], 1, "there is no plan yet"),
        (["events", "--limit", "0"], 2, "query.limit"),
        (["dance"], 2, "invalid choice"),
    ],
)
def test_errors_say_what_to_do_next(shell: Shell, argv: list[str], code: int, words: str) -> None:
    assert shell(*argv) == code
    assert words in shell.err
    assert shell.out == ""


def test_a_controller_that_is_away_is_exit_code_1(shell: Shell, farm: Farm) -> None:
    farm.close()
    assert shell("status") == 1
    assert "does not answer" in shell.err
    assert "systemctl status rigshift-controller" in shell.err


def test_what_is_no_controller_is_told(shell: Shell, farm: Farm) -> None:
    environ = farm.environ() | {"RIGSHIFT_URL": farm.url + "/elsewhere"}
    assert shell("status", environ=environ) == 2
    assert "see /openapi.json" in shell.err


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("x" * 32, 0o600, "the token is not known"),
        ("x" * 32, 0o644, "chmod 600"),
        ("", 0o600, "holds no single token"),
        ("a: b\nc: d e", 0o600, "holds no single token"),
        (None, 0o600, "your token cannot be read"),
    ],
)
def test_a_wrong_token_is_exit_code_2(
    shell: Shell, farm: Farm, tmp_path: Path, text: str | None, mode: int, words: str
) -> None:
    path = tmp_path / "mine"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    assert shell("status", "--token-file", str(path)) == 2
    assert words in shell.err


def test_no_token_is_exit_code_2(shell: Shell, farm: Farm) -> None:
    assert shell("status", environ={"RIGSHIFT_URL": farm.url}) == 2
    assert "RIGSHIFT_TOKEN_FILE" in shell.err


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:9700", "ftp://localhost", "nonsense", "http://["]
)
def test_a_token_never_travels_in_the_clear(shell: Shell, url: str) -> None:
    assert shell("status", "--url", url) == 2
    assert "https://host:port" in shell.err


def test_a_missing_ca_file_is_told(shell: Shell, tmp_path: Path) -> None:
    assert shell("status", "--ca-file", str(tmp_path / "missing.pem")) == 2
    assert "--ca-file" in shell.err


class Notebook:
    """A teller that keeps the lines, and lets a desk move while time passes."""

    def __init__(self, desk: SmallDesk) -> None:
        self.lines: list[str] = []
        self._desk = desk
        self._now_s = 0.0

    def say(self, text: str) -> None:
        self.lines.append(text)

    def sleep(self, seconds: float) -> None:
        self._now_s += max(seconds, 20.0)
        self._desk.advance()

    def elapsed_s(self) -> float:
        return self._now_s


def test_many_groups_are_counted_and_not_told_one_by_one() -> None:
    desk = SmallDesk(MemoryStore(), *(view(f"rig-{n:02}", active="etc") for n in range(30)))
    desk.poke()
    notebook = Notebook(desk)

    def look() -> dict[GroupKey, GroupLine]:
        return {line.key: line for line in group_lines(desk.views(), desk.plan(), ())}

    watch = waiting.Watch(look, dict.fromkeys(desk.fleet, "llama"), notebook)
    assert watch.until_settled(timeout_s=10_000.0) == []
    assert notebook.lines
    assert all(line.startswith("0 of 30 are there; waiting for ") for line in notebook.lines)
    assert "and 25 more" in notebook.lines[0]


def test_a_long_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = SmallDesk(MemoryStore(), replace(view("rig-01"), assigned="llama", generation=2))
    notebook = Notebook(desk)
    monkeypatch.setattr(desk, "advance", lambda: None)

    def look() -> dict[GroupKey, GroupLine]:
        return {line.key: line for line in group_lines(desk.views(), None, ())}

    key = GroupKey("rig-01", "g0")
    missing = waiting.Watch(look, {key: "llama"}, notebook).until_settled(timeout_s=90.0)
    waits = "rig-01/g0: waiting for its rig to confirm the order"
    assert missing == [waits]
    still = f"0 of 1 are there; waiting for {waits}"
    assert notebook.lines == [waits, still, still]


def once_refused(found: GroupView) -> GroupView:
    assert found.status is not None
    refusals = (Rejection("llama", "long ago"),)
    return replace(found, status=replace(found.status, rejected=refusals))


@pytest.mark.parametrize(
    ("changed", "standing", "words"),
    [
        (view("rig-01", active="llama"), waiting.Standing.ARRIVED, "runs llama"),
        (once_refused(view("rig-01", active="llama")), waiting.Standing.ARRIVED, "runs llama"),
        (view("rig-01", active="etc"), waiting.Standing.UNDER_WAY, "plan to assign llama"),
        (view("rig-01", active="llama", phase=Phase.FAILED), waiting.Standing.STUCK, "failed"),
    ],
)
def test_progress_in_words(changed: GroupView, standing: waiting.Standing, words: str) -> None:
    [line] = group_lines((changed,), None, ())
    found = waiting.progress(line, "llama")
    assert found.standing is standing
    assert words in found.text


def test_a_group_that_is_gone_is_not_waited_for() -> None:
    assert waiting.progress(None, "llama").standing is waiting.Standing.STUCK
