"""Texts that are wallets by their own shape, whatever stands around them.

Only shapes that hardly anything else has: a checksum that fits, or a prefix of one coin's own. A
coin whose addresses are plain random text (Solana, Iron Fish, Alephium) is not recognised here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CONSTANTS = (1, 0x2BC830A3)
"""Of bech32 and bech32m."""

_CANDIDATES = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"(?P<ether>0x[0-9a-fA-F]{40})"
    r"|(?P<prefixed>(?:kaspa|nexa|nexellia|karlsen|pyrin|bitcoincash|xec|ecash|spectre|bugna)"
    r":[0-9a-z]{40,72})"
    r"|(?P<bech32>(?:bc|ltc|dgb|btg|vtc|rvn|aleo|zs|flux|firo|neurai)1[0-9ac-hj-np-z]{30,100})"
    r"|(?P<monero>[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93,104})"
    r"|(?P<base58>[1-9A-HJ-NP-Za-km-z]{25,52})"
    r")(?![0-9A-Za-z])"
)

_CHECKED_BYTES = (25, 26, 38)
"""Version of one or two bytes, hash, checksum; an Ergo address has its public key instead."""

_CHECKSUM_BYTES = 4


def wallets(text: str) -> Iterator[str]:
    """Every wallet that stands in `text`, in order."""
    for match in _CANDIDATES.finditer(text):
        kind, found = match.lastgroup, match[0]
        if kind == "bech32" and not _is_bech32(found):
            continue
        if kind == "base58" and not _is_base58(found):
            continue
        yield found


def same(one: str, other: str) -> bool:
    """Whether two texts are one wallet: hexadecimal ones differ in case by their checksum only."""
    if one.startswith(("0x", "0X")):
        return one.lower() == other.lower()
    return one == other


def masked(wallet: str) -> str:
    """Enough to recognise it by, for people who know it."""
    return f"{wallet[:6]}…{wallet[-4:]}" if len(wallet) > 16 else f"{wallet[:2]}…"


def _is_base58(text: str) -> bool:
    number = 0
    for character in text:
        number = number * 58 + _BASE58.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    data = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
    if len(data) not in _CHECKED_BYTES:
        return False
    body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    double = hashlib.sha256(hashlib.sha256(body).digest()).digest()
    blake = hashlib.blake2b(body, digest_size=32).digest()
    return checksum in (double[:_CHECKSUM_BYTES], blake[:_CHECKSUM_BYTES])


def _is_bech32(text: str) -> bool:
    prefix, _, data = text.rpartition("1")
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    values += [_BECH32.find(c) for c in data]
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            checksum ^= generator if (top >> bit) & 1 else 0
    return min(values) >= 0 and checksum in _BECH32_CONSTANTS
