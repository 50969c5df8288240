"""Values that cost less to make, for as long as many seeds run.

To make a frozen dataclass takes six times as long as another one, and was an eighth of all time.
That nothing changes a value is mypy's to prove; all other tests, and the replay of a single seed,
run with values frozen as they are shipped. It changes nothing that a trace would show.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field, fields, is_dataclass, make_dataclass
from functools import cache
from typing import Any

from tests.sim.mutants.planting import Swaps

THAWED = ("agent", "controller", "wire")
"""The packages of the product."""


@contextmanager
def thawed() -> Iterator[None]:
    """All frozen dataclasses of the product are made as if they were not."""
    swaps = thaw()
    try:
        yield
    finally:
        swaps.undo()


def thaw() -> Swaps:
    """The same until it is undone."""
    swaps = Swaps()
    for kind in _frozen():
        swaps.attribute(kind, "__init__", _plain_init(kind))
        swaps.attribute(kind, "__setattr__", object.__setattr__)
        swaps.attribute(kind, "__delattr__", object.__delattr__)
    return swaps


def _frozen() -> list[Any]:
    modules = [m for name, m in sys.modules.items() if name.partition(".")[0] in THAWED]
    found = (value for module in modules for value in vars(module).values())
    return [kind for kind in dict.fromkeys(filter(_is_frozen, found)) if "__init__" in vars(kind)]


def _is_frozen(value: Any) -> bool:
    if not isinstance(value, type) or not is_dataclass(value):
        return False
    params: Any = vars(value).get("__dataclass_params__")
    return params is not None and bool(params.frozen)


@cache
def _plain_init(kind: Any) -> Callable[..., None]:
    """What `dataclass` would have written for a class with these fields that is not frozen."""
    after = {n: getattr(kind, n) for n in ("__post_init__",) if hasattr(kind, n)}
    same = [
        (
            one.name,
            one.type,
            field(
                default=one.default,
                default_factory=one.default_factory,
                init=one.init,
                kw_only=one.kw_only,
            ),
        )
        for one in fields(kind)
    ]
    init: Callable[..., None] = vars(make_dataclass(kind.__name__, same, namespace=after))[
        "__init__"
    ]
    return init
