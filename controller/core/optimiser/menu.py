"""Which choices of a menu can be part of a best plan: fewer columns for whoever solves it."""

from __future__ import annotations

from collections.abc import Sequence

from controller.core.options.choice import Choice, forced


def useful(choices: Sequence[Choice], *, capped: bool, force: bool) -> list[int]:
    """To stay, and every choice that no other beats in all that counts.

    Watts count under a cap only; `force`: choices that only a cap may ask for are among them.
    """
    kept = [0]
    for i, choice in enumerate(choices):
        if i == 0 or (forced(choice) and not force):
            continue
        if any(_beats(choices[k], choice, capped=capped) for k in kept):
            continue
        beaten = {k for k in kept[1:] if _beats(choice, choices[k], capped=capped)}
        kept = [k for k in kept if k not in beaten] + [i]
    return kept


def _beats(one: Choice, other: Choice, *, capped: bool) -> bool:
    """Whether one is at least as good as the other, whatever the rest of the fleet does."""
    if one.serves != other.serves or one.counts != other.counts or forced(one) != forced(other):
        return False
    if one.value_usd_per_h < other.value_usd_per_h:
        return False
    if one.serves and one.busy_usd_per_h != other.busy_usd_per_h:
        return False  # Who is asked first depends on it.
    return not capped or (one.power_w <= other.power_w and one.busy_w <= other.busy_w)
