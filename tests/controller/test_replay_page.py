"""The page of a replay: it needs nothing but itself, and shows what was replayed."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from controller.cli import main
from controller.replay import __main__ as table
from controller.replay import page, run
from controller.replay.run import Replay
from tests.controller.test_replay import WINDOW, window
from tests.controller.test_replay_farm import written

VOID = {"meta", "br", "link", "img", "input"}
REFERENCE = re.compile(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)')


class Structure(HTMLParser):
    """Whether every element is closed in its place; ids and texts on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parsed(text: str) -> Structure:
    structure = Structure()
    structure.feed(text)
    assert structure.open == []
    return structure


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return run.replay(written(tmp_path_factory.mktemp("farm")), policies=["greedy", "look-ahead"])


def test_it_shows_every_pool_and_policy_with_units(farm: Replay) -> None:
    found = parsed(page.rendered(farm))
    said = " ".join(" ".join(found.words).split())
    assert found.tags.count("svg") == 4
    for lot in farm.stage.lots:
        assert f"{lot.name}: what its {lot.pool.terms.groups} groups ran" in said
        assert f"{lot.name}: what mining nets, electricity paid" in said
    for unit in ("$ / kWh", "$ / GPU-hour", "$ / GPU", "groups", "UTC"):
        assert unit in said
    assert "greedy" in said
    assert "look-ahead (default)" in said
    assert "is a bound from linear programming" in said
    assert f"${farm.report.clairvoyant_usd:,.2f}" in said
    assert "4,000 W" in said


def test_it_needs_nothing_from_anywhere(farm: Replay) -> None:
    text = page.rendered(farm)
    found = parsed(text)
    targets = {a or b for a, b in REFERENCE.findall(text)}
    assert targets
    assert all(target.startswith("#") for target in targets)
    assert {target[1:] for target in targets} <= set(found.ids)
    assert "script" not in found.tags
    assert "default-src 'none'" in text
    assert "#010203" not in text


def test_the_same_replay_gives_the_same_page(farm: Replay) -> None:
    assert page.rendered(farm) == page.rendered(farm)


def test_what_a_file_calls_itself_is_text(tmp_path: Path) -> None:
    path = window(tmp_path).rename(tmp_path / "a <b> & $x.yaml")
    text = page.rendered(run.replay(path, policies=["greedy"]))
    assert "Replay of a &lt;b&gt; &amp; $x" in text
    assert "a <b>" not in text
    parsed(text)


def test_the_command_writes_it_where_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(window(tmp_path))
    file, folder = tmp_path / "new" / "my.html", tmp_path / "pages"
    for target in (file, folder):
        assert main(["replay", path, "--policy", "greedy", "--report", str(target)]) == 0
        assert "wrote " in capsys.readouterr().err
    assert file.exists()
    assert [each.name for each in folder.iterdir()] == ["window-base.html"]
    (tmp_path / "taken").write_text("")
    blocked = str(tmp_path / "taken" / "my.html")
    assert main(["replay", path, "--policy", "greedy", "--report", blocked]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_table_of_all_costs_may_have_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = WINDOW.replace("groups: 3 ", "groups: 1 ")
    path, folder = window(tmp_path, text), tmp_path / "pages"
    assert table.main([str(path), "--policy", "greedy", "--report", str(folder)]) == 0
    assert "| window | slow |" in capsys.readouterr().out
    names = sorted(each.name for each in folder.iterdir())
    assert names == ["window-base.html", "window-fast.html", "window-slow.html"]


def test_without_what_draws_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "controller.replay.plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    path = str(window(tmp_path))
    assert main(["replay", path, "--policy", "greedy", "--report", str(tmp_path)]) == 2
    assert "pip install 'rigshift[report]'" in " ".join(capsys.readouterr().err.split())
