"""Any value that may travel: strategies made from the types of the messages themselves."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from typing import Any

from hypothesis import strategies as st

from wire import figures, messages, model
from wire.codec import GENERATION_MAX
from wire.messages import Down, Up

NAMES = st.text(max_size=12)
OFFERED = st.from_regex(model.NAME, fullmatch=True)
OFFERING = {
    ("GroupOffer", "group"),
    ("GroupStatus", "group"),
    ("WorkloadOffer", "name"),
    ("Measured", "group"),
    ("Measured", "workload"),
    ("Measured", "profile"),
    ("Measured", "algorithm"),
}
"""Fields in which not every text may travel."""
MEASUREMENTS = st.floats(0.0, 1e15)
CLOCKS = st.floats(0.0, 1e9)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type that the messages are made of."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, arguments))
    if origin is tuple and arguments[1:] == (...,):
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    if kind is figures.Figure:
        return st.builds(figures.Figure, MEASUREMENTS, MEASUREMENTS, st.integers(1, GENERATION_MAX))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        named = {name: OFFERED for name in hints if (kind.__name__, name) in OFFERING}
        return st.builds(kind, **{name: values(hint) for name, hint in hints.items()} | named)
    return _plain(kind)


def _plain(kind: Any) -> st.SearchStrategy[Any]:
    if kind is types.NoneType:
        return st.none()
    if issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    return {
        bool: st.booleans(),
        int: st.integers(0, GENERATION_MAX),
        float: st.floats(allow_nan=False, allow_infinity=False),
        str: NAMES,
    }[kind]


def _distinct(body: Any) -> bool:
    """Whether no two groups, and no two workloads of a group, have one name."""
    if any(figures.problems(getattr(body, "measured", ()))):
        return False
    groups = getattr(body, "groups", ())
    lists = [[group.group for group in groups]]
    lists += [[w.name for w in getattr(group, "workloads", ())] for group in groups]
    return all(len(set(names)) == len(names) for names in lists)


UP_BODIES = typing.get_args(messages.UpBody)
DOWN_BODIES = typing.get_args(messages.DownBody)

UPS: st.SearchStrategy[Up] = st.builds(
    Up,
    rig=NAMES,
    boot_id=NAMES,
    run_id=NAMES,
    rig_time_s=CLOCKS,
    body=st.one_of(*map(values, UP_BODIES)).filter(_distinct),
)
DOWNS: st.SearchStrategy[Down] = st.builds(
    Down,
    rig=st.just("rig"),
    boot_id=NAMES,
    rig_time_s=CLOCKS,
    ttl_s=CLOCKS,
    body=st.one_of(*map(values, DOWN_BODIES)),
)
