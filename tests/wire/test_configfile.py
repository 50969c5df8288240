"""Every fault in a settings file is named by file, line and key, and says what to do."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import configfile
from wire.configfile import FILE_BYTES_MAX, ConfigError


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    size_mm: float
    colour: Colour = Colour.RED


@dataclass(frozen=True, kw_only=True)
class Cart:
    name: str
    wheels: tuple[Wheel, ...] = ()
    spares: dict[str, Wheel] = field(default_factory=dict)
    log: Path = Path("cart.log")
    load_kg: int = 0


def parse(text: str) -> Cart:
    return configfile.parse(text, Cart, name="cart.yaml")


def told(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse(text)
    return str(refused.value)


def test_a_whole_file_becomes_frozen_values(tmp_path: Path) -> None:
    path = tmp_path / "cart.yaml"
    path.write_text(
        "name: c\nwheels:\n  - size_mm: 600\n    colour: blue\nspares: {left: {size_mm: 5.5}}\n"
        "log: /var/log/cart\n"
    )
    assert configfile.load(path, Cart) == Cart(
        name="c",
        wheels=(Wheel(size_mm=600.0, colour=Colour.BLUE),),
        spares={"left": Wheel(size_mm=5.5)},
        log=Path("/var/log/cart"),
    )


def test_relative_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "cart.yaml").write_text("name: c\nlog: logs/cart\n")
    assert configfile.load(tmp_path / "cart.yaml", Cart).log == tmp_path / "logs" / "cart"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: c\nwheel: []\n",
            "cart.yaml:2: wheel: object contains unknown field `wheel`; remove",
        ),
        (
            "name: c\nwheels:\n  - size_mm: 1\n    color: red\n",
            "cart.yaml:4: wheels.0.color: object",
        ),
        (
            "name: c\nspares:\n  left:\n    size_mm: 1\n    big: 1\n",
            "cart.yaml:5: spares.left.big:",
        ),
        ("name: c\nname: d\n", "cart.yaml:2: key `name` stands twice; keep one"),
        ("name: c\nwheels:\n  - size_mm: 1\n    size_mm: 2\n", "cart.yaml:4: key `size_mm` stands"),
        ("name: 5\n", "cart.yaml:1: name: expected `str`, got `int`"),
        (
            "name: c\nwheels:\n  - size_mm: wide\n",
            "cart.yaml:3: wheels.0.size_mm: expected `float`",
        ),
        ("name: c\nwheels:\n  - colour: red\n", "cart.yaml:3: wheels.0: object missing required"),
        ("name: c\nwheels:\n  - {size_mm: 1, colour: pink}\n", "cart.yaml:3: wheels.0.colour: inv"),
        ("name: c\nlog: 5\n", "cart.yaml:2: log: expected a path, got `5`"),
        ("name: c\nspares:\n  5: {size_mm: 1}\n", "cart.yaml:2: spares: expected `str`"),
        ("wheels: []\n", "object missing required field `name`"),
        ("", "the file: expected `object`, got `null`"),
        ("[]", "cart.yaml:1: the file: expected `object`, got `array`"),
        ("name: [", "cart.yaml: not valid YAML"),
        ("name: c\nload_kg: 2026-02-30\n", "cart.yaml: not valid YAML: day is out of range"),
        ("? [a]\n: b\n", "cart.yaml: not valid YAML"),
        ("name: !!python/object:os.system x\n", "cart.yaml: not valid YAML"),
        ("name: c\nwheels: &w [*w]\n", "cart.yaml: nested too deeply"),
        ("[" * 20_000, "cart.yaml: nested too deeply"),
    ],
)
def test_faults_are_named_by_line_and_key(text: str, message: str) -> None:
    assert message in told(text)


def test_a_missing_file_says_how_to_name_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; name the right one with --config"):
        configfile.load(tmp_path / "absent.yaml", Cart)


def test_what_is_no_file_or_no_text_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        configfile.load(tmp_path, Cart)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe4\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        configfile.load(tmp_path / "latin.yaml", Cart)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(ConfigError, match="is it the right file"):
        configfile.load(path, Cart)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="name: wheels-[]{}&*!?'\"\n\t#|>%@0123", max_size=40))
def test_no_text_gives_any_other_error(text: str) -> None:
    with suppress(ConfigError):
        parse(text)


@pytest.mark.parametrize("word", ["off", "on", "yes", "no", "Off", "NO"])
def test_words_that_yaml_takes_for_truth_values_are_keys_all_the_same(word: str) -> None:
    cart = parse(f"name: hay\nspares: {{{word}: {{size_mm: 1}}}}\n")
    assert list(cart.spares) == [word]
    with pytest.raises(ConfigError, match=r"cart\.yaml:2: key `off` stands twice"):
        parse("name: hay\nspares: {off: {size_mm: 1}, off: {size_mm: 2}}\n")
