"""Every Markdown document: its links lead somewhere, and it speaks of no particular machine."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs import markdown, repository
from tests.docs.repository import ROOT

DOCUMENTS = [str(path.relative_to(ROOT)) for path in repository.files(".md")]

ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
"""Links to other sites are left to the reader: a test that needs them fails when they do."""

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/\w+")
MAKE_TARGET = re.compile(r"^(?:\$ )?make +(?:-\S+ +)*([a-z-]+)", re.MULTILINE)
RULE = re.compile(r"^([a-z-]+):(?!=)", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_within_the_repository_leads_somewhere(document: str) -> None:
    links = [link for link in markdown.links(ROOT / document) if not ELSEWHERE.match(link)]
    assert [link for link in links if not _leads_somewhere(ROOT / document, link)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_path_of_somebodys_machine(document: str) -> None:
    assert MACHINE_PATH.findall((ROOT / document).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_that_is_told_of_exists(document: str) -> None:
    told = {name for text in markdown.code(ROOT / document) for name in MAKE_TARGET.findall(text)}
    rules = RULE.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    assert told <= set(rules)


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("guide.md", True),
        ("./guide.md#what-it-is-not-1", True),
        ("guide.md#the-rig_table", True),
        ("guide.md#here", True),
        ("#start", True),
        ("notes%20old.txt", True),
        (".", True),
        ("", False),
        ("missing.md", False),
        ("guide.md#missing", False),
        ("#missing", False),
        ("notes%20old.txt#start", False),
        ("/guide.md", False),
        ("../../../../../../../../../../../../etc/hostname", False),
    ],
)
def test_where_links_lead(tmp_path: Path, link: str, leads: bool) -> None:
    (tmp_path / "start.md").write_text("# Start\n")
    (tmp_path / "notes old.txt").write_text("")
    (tmp_path / "guide.md").write_text(
        '# What it is (not)\n## What it is not\n## The `rig_table`!\n<a id="here"></a>\n'
        "```sh\n# No heading\n```\n"
    )
    assert _leads_somewhere(tmp_path / "start.md", link, root=tmp_path) is leads


def test_links_in_code_are_no_links(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("`[a](b)` [c][d] ![e](f.png)\n\n```\n[g](h)\n```\n\n[d]: i.md\n")
    assert list(markdown.links(document)) == ["i.md", "f.png"]


def _leads_somewhere(document: Path, link: str, root: Path = ROOT) -> bool:
    path, _, anchor = link.partition("#")
    if not (path or anchor) or path.startswith("/"):
        return False
    target = (document.parent / unquote(path)).resolve() if path else document
    if not (target.is_relative_to(root) and target.exists()):
        return False
    return not anchor or (target.suffix == ".md" and anchor in markdown.anchors(target))
