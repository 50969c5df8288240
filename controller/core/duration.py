"""Durations as operators write and read them: `90s`, `30m`, `2h`, `3d`, `1h30m`."""

from __future__ import annotations

import re

SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
"""Seconds per unit, longest first."""

_PART = re.compile(r"(?P<count>[0-9]{1,7}(?:\.[0-9]{1,3})?)(?P<unit>[dhms])")


class DurationError(ValueError):
    """Text that is no duration; says what one looks like."""


def parse(text: str) -> float:
    """Seconds that `text` stands for. Raises `DurationError`."""
    parts = list(_PART.finditer(text))
    units = [part["unit"] for part in parts]
    whole = "".join(part.group() for part in parts) == text.strip() != ""
    if not whole or units != [unit for unit in SECONDS if unit in units]:
        raise DurationError(
            f"{text!r} is no duration; write a number with a unit, such as 90s, 30m, 2h or 3d"
        )
    return sum(float(part["count"]) * SECONDS[part["unit"]] for part in parts)


def show(seconds: float) -> str:
    """The two largest units that matter: `2h`, `1h30m`, `45s`; minutes and seconds are exact."""
    rest = round(max(seconds, 0.0))
    parts: list[str] = []
    for unit, size in SECONDS.items():
        count, rest = divmod(rest, int(size))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"
