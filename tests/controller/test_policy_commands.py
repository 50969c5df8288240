"""`rigshift policy …` and the API under it, over a real server: what is asked, said and refused."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import httpx
import pytest

from controller.api.app import create_app
from controller.api.auth import Tokens
from controller.api.server import serve
from controller.cli import main
from controller.operations import Operations
from controller.store.memory import MemoryStore
from tests.controller.desk import SmallDesk, view
from tests.controller.governed import CONTRACT, OWING, TEXT, Office

BO, ADA = "b" * 32, "a" * 32
DESKS = """\
desks:
  - {name: ai, workloads: [llama], operators: [ada]}
  - {name: mining, kinds: [mining], operators: [max]}
"""


class Served:
    """An API with policies, in a thread of its own, as commands of the shell find it."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        store = MemoryStore()
        self.office = Office(store, TEXT + DESKS, count=1)
        desk = SmallDesk(store, view("rig-01"))
        numbers = count(1)
        self._operations = Operations(
            desk, store, now=lambda: desk.now, new_id=lambda: f"{next(numbers):04x}"
        )
        self._operations.desks = lambda: self.office.regime.policy.settings.desks
        self.folder = folder
        for name, token in (("bo", BO), ("ada", ADA)):
            (folder / name).write_text(token)
            (folder / name).chmod(0o600)
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._listening.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        app = create_app(
            self._operations,
            tokens=Tokens({"bo": BO, "ada": ADA}),
            metrics=lambda _: (b"", "text/plain"),
            policies=self.office.policies,
        )
        server = await serve(app, "127.0.0.1", 0)
        self.url = server.url
        self._listening.set()
        await self._closing.wait()
        await server.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with closing(Served(tmp_path)) as made:
        yield made


class Shell:
    def __init__(self, served: Served, capfd: pytest.CaptureFixture[str]) -> None:
        self._served = served
        self._capfd = capfd
        self.out = self.err = ""

    def __call__(self, *argv: str, who: str = "bo") -> int:
        token = str(self._served.folder / who)
        code = main(argv, {"RIGSHIFT_URL": self._served.url, "RIGSHIFT_TOKEN_FILE": token})
        self.out, self.err = self._capfd.readouterr()
        return code

    def file(self, text: str) -> str:
        path = self._served.folder / "new.yaml"
        path.write_text(text)
        return str(path)


@pytest.fixture
def shell(served: Served, capfd: pytest.CaptureFixture[str]) -> Shell:
    return Shell(served, capfd)


def test_a_policy_is_checked_compared_foreseen_put_in_force_and_shown(
    shell: Shell, served: Served
) -> None:
    served.office.plan(demand=0.0)
    file = shell.file(OWING + DESKS)
    assert shell("policy", "check", file) == 0
    assert "good. 1 contract, 2 desks, 0 rules; 1 change against" in " ".join(shell.out.split())
    assert shell("policy", "diff", file) == 0
    assert shell.out.startswith("contract acme is new: customer ACME Inc")
    assert shell("policy", "preview", file) == 0
    told = " ".join(shell.out.split())
    assert "1 group would do something else; the fleet's net: +0.468 $/h" in told
    assert "acme 1 1 0 0 in force" in told
    assert "Preview: nothing was changed" in told
    assert shell("policy", "activate", file, "--reason", "ACME signed") == 0
    assert "is in force from the next plan on" in " ".join(shell.out.split())
    assert shell("policy", "show") == 0
    assert "by bo: ACME signed" in " ".join(shell.out.split())
    assert shell("policy", "show", "--text") == 0
    assert shell.out == OWING + DESKS
    assert shell("policy", "versions", "--json") == 0
    assert [one["number"] for one in json.loads(shell.out)] == [2, 1]
    assert shell("policy", "diff", file) == 0
    assert shell.out == "it means the same as the policy in force\n"


def test_a_broken_file_is_exit_code_2_with_its_lines(shell: Shell) -> None:
    broken = TEXT + CONTRACT.replace("gpus: 1", "gpus: 0") + "    sites: [rome]\n"
    for act in (["check"], ["diff"], ["preview"], ["activate", "--reason", "x"]):
        assert shell("policy", act[0], shell.file(broken), *act[1:]) == 2
        assert "new.yaml:8: contracts.0.gpus: must be 1 or more, not 0" in shell.err
        assert "new.yaml:12: contracts.0.sites: no site 'rome'; there are oslo" in shell.err
        assert "mend it; the policy in force stays" in shell.err


def test_a_file_that_is_not_there_is_exit_code_2(shell: Shell) -> None:
    assert shell("policy", "check", "/nowhere/policy.yaml") == 2
    assert "cannot be read" in shell.err


def test_a_desks_operator_orders_neither_the_policy_nor_the_other_desks_workloads(
    shell: Shell,
) -> None:
    assert shell("policy", "activate", shell.file(TEXT), "--reason", "freedom", who="ada") == 1
    assert "ada is an operator of desk ai" in shell.err
    order = ("--reason", "mine", "--yes", "--no-wait", "--dry-run")
    assert shell("switch", "rig-01", "etc", *order, who="ada") == 1
    assert "etc is desk mining's, and ada is none of its operators" in shell.err
    assert "ask one of them: max" in shell.err
    assert shell("switch", "rig-01", "llama", *order, who="ada") == 0
    assert shell("switch", "rig-01", "etc", *order, who="bo") == 0


def test_without_a_token_nothing_is_said(served: Served) -> None:
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        for path in ("", "/versions"):
            assert client.get(f"/api/v1/policy{path}").status_code == 401
        for act in ("check", "preview", "activate"):
            assert client.post(f"/api/v1/policy/{act}", json={"text": ""}).status_code == 401


def test_what_is_too_long_is_refused_before_it_is_read(served: Served) -> None:
    headers = {"authorization": f"Bearer {BO}"}
    with httpx.Client(base_url=served.url, headers=headers, trust_env=False) as client:
        answer = client.post("/api/v1/policy/check", json={"text": "#" * 50_000})
        assert (answer.status_code, set(answer.json())) == (400, {"error", "hint"})
