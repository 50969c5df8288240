"""Frozen dataclasses as MessagePack arrays: no field name travels, only its place.

A new field goes last and has a default; then older and newer sides understand each other.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T")

_ENCODER = msgspec.msgpack.Encoder()


class Packer(Generic[T]):
    """Packs and unpacks values of one dataclass."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._shape = _array(kind, {})
        self._decoder = msgspec.msgpack.Decoder(self._shape)

    def pack(self, value: T) -> bytes:
        """The value as bytes."""
        return _ENCODER.encode(msgspec.convert(value, self._shape, from_attributes=True))

    def unpack(self, data: bytes | msgspec.Raw) -> T:
        """The value, validated. Raises `msgspec.DecodeError`."""
        return msgspec.convert(self._decoder.decode(data), self._kind, from_attributes=True)

    def believed(self, data: bytes) -> T | None:
        """The value; none for bytes that are none of it."""
        try:
            return self.unpack(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


def _array(kind: type[Any], known: dict[type[Any], type[Any]]) -> type[Any]:
    """The same fields as a struct that is an array on the wire."""
    if kind not in known:
        hints = get_type_hints(kind)
        fields = [_field(field, hints[field.name], known) for field in dataclasses.fields(kind)]
        known[kind] = msgspec.defstruct(kind.__name__, fields, array_like=True, frozen=True)
    return known[kind]


def _field(
    field: dataclasses.Field[Any], hint: Any, known: dict[type[Any], type[Any]]
) -> tuple[Any, ...]:
    shape = _translated(hint, lambda kind: _array(kind, known))
    if field.default is not dataclasses.MISSING:
        return field.name, shape, field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.name, shape, msgspec.field(default_factory=field.default_factory)
    return field.name, shape


def _translated(hint: Any, array: Callable[[type[Any]], type[Any]]) -> Any:
    """The hint with every dataclass in it replaced by its array."""
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return array(hint)
    args = get_args(hint)
    if not args:
        return hint
    origin = get_origin(hint)
    if origin in (tuple, dict, list):
        return origin[tuple(arg if arg is ... else _translated(arg, array) for arg in args)]
    return functools.reduce(operator.or_, (_translated(arg, array) for arg in args))
