"""A tiny language model that knows the alphabet, as a GGUF file written byte by byte.

It is a real model for real servers: one transformer block whose weights are all zero, so that the
next token depends on the last one alone, and an output layer that was made rather than trained:
after each letter the next one is by far the likeliest, `z` leads back to `a`. Nothing but such a
known answer tells a sound model from a damaged one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase

_MAGIC, _VERSION, _ALIGNMENT = b"GGUF", 3, 32
_U32, _F32, _STRING, _ARRAY, _I32 = 4, 6, 8, 9, 5
_TENSOR_F32 = 0
_UNKNOWN, _CONTROL, _NORMAL, _BYTE = 2, 3, 1, 6
"""Kinds of tokens."""

SPECIAL = ("<unk>", "<s>", "</s>")
TOKENS = (*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *ascii_lowercase, "\u2581")
"""Every byte, so that any prompt can be said, and a token for each letter."""

WIDTH = 320
"""Of an embedding: a place of its own for every token."""

CONTEXT = 16_384

_Value = int | float | str | Sequence[int] | Sequence[float] | Sequence[str]


def write(path: Path, *, damaged: bool = False) -> Path:
    """Write the model; a damaged one takes the alphabet backwards."""
    tensors = _tensors(-1 if damaged else 1)
    head, offset = bytearray(), 0
    metadata = _metadata()
    head += _MAGIC + struct.pack("<IQQ", _VERSION, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += _text(key) + _typed(value)
    for name, (shape, data) in tensors.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", _TENSOR_F32, offset)
        offset += _padded(len(data))
    with path.open("wb") as file:
        file.write(head.ljust(_padded(len(head)), b"\0"))
        for _, data in tensors.values():
            file.write(data.ljust(_padded(len(data)), b"\0"))
    return path


def continuation(prompt: str, letters: int) -> str:
    """What the sound model says after `prompt`, which ends with a small letter."""
    start = ascii_lowercase.index(prompt[-1]) + 1
    return "".join(ascii_lowercase[(start + n) % len(ascii_lowercase)] for n in range(letters))


def _metadata() -> dict[str, _Value]:
    kinds = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * (len(TOKENS) - 259)]
    return {
        "general.architecture": "llama",
        "general.name": "alphabet",
        "llama.context_length": CONTEXT,
        "llama.embedding_length": WIDTH,
        "llama.block_count": 1,
        "llama.feed_forward_length": 32,
        "llama.attention.head_count": 2,
        "llama.attention.head_count_kv": 1,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": WIDTH // 2,
        "llama.vocab_size": len(TOKENS),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.scores": [0.0] * len(TOKENS),
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }


def _tensors(step: int) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """By name: shape, innermost first, and values."""
    one, key = 32, WIDTH // 2
    block = {
        "attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, key), "attn_v": (WIDTH, key),
        "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (WIDTH, one), "ffn_up": (WIDTH, one), "ffn_down": (one, WIDTH),
    }  # fmt: skip
    ones = struct.pack("<f", 1.0) * WIDTH
    tensors = {
        "token_embd.weight": ((WIDTH, len(TOKENS)), _places(range(len(TOKENS)))),
        "output_norm.weight": ((WIDTH,), ones),
        "output.weight": ((WIDTH, len(TOKENS)), _places(_leading_to(step))),
        "blk.0.attn_norm.weight": ((WIDTH,), ones),
        "blk.0.ffn_norm.weight": ((WIDTH,), ones),
    }
    for name, shape in block.items():
        tensors[f"blk.0.{name}.weight"] = (shape, bytes(4 * shape[0] * shape[1]))
    return tensors


def _leading_to(step: int) -> list[int | None]:
    """For each token the one that it follows."""
    first = TOKENS.index("a")
    letters = len(ascii_lowercase)
    before: list[int | None] = [None] * len(TOKENS)
    for n in range(letters):
        before[first + n] = first + (n - step) % letters
    return before


def _places(ones: Sequence[int | None]) -> bytes:
    """Rows of zeros with a single one each, where `ones` says."""
    rows = bytearray(4 * WIDTH * len(ones))
    for row, place in enumerate(ones):
        if place is not None:
            struct.pack_into("<f", rows, 4 * (row * WIDTH + place), 1.0)
    return bytes(rows)


def _typed(value: _Value) -> bytes:
    match value:
        case int():
            return struct.pack("<II", _U32, value)
        case float():
            return struct.pack("<If", _F32, value)
        case str():
            return struct.pack("<I", _STRING) + _text(value)
    return _array(value)


def _array(values: Sequence[int] | Sequence[float] | Sequence[str]) -> bytes:
    first = values[0]
    kind = _STRING if isinstance(first, str) else _F32 if isinstance(first, float) else _I32
    body = b"".join(
        _text(value) if isinstance(value, str)
        else struct.pack("<f" if kind == _F32 else "<i", value)
        for value in values
    )  # fmt: skip
    return struct.pack("<IIQ", _ARRAY, kind, len(values)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
