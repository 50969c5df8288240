"""docs/protocol.md lists the fields of every message and value in the order that they travel in."""

from __future__ import annotations

import dataclasses
import re
from typing import get_args

from tests.docs.repository import ROOT
from wire import figures, messages, model

TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z]\w+)` \| ([^|]+) \|", re.MULTILINE)

TRAVELLING = (
    *get_args(messages.UpBody),
    *get_args(messages.DownBody),
    *(kind for kind in {**vars(model), **vars(figures)}.values() if dataclasses.is_dataclass(kind)),
)


def test_every_message_and_value_is_listed_field_by_field() -> None:
    listed = {name: re.findall(r"`(\w+)`", fields) for name, fields in ROW.findall(TEXT)}
    coded = {
        kind.__name__: [field.name for field in dataclasses.fields(kind)] for kind in TRAVELLING
    }
    assert listed == coded


def test_every_way_to_end_is_listed() -> None:
    assert [result for result in model.Result if f"| `{result}` |" not in TEXT] == []


def test_the_access_list_is_the_shipped_one() -> None:
    shipped = (ROOT / "deploy" / "mosquitto" / "acl").read_text(encoding="utf-8").splitlines()
    rules = "\n".join(line for line in shipped if not line.startswith("#"))
    assert rules.strip() in TEXT
