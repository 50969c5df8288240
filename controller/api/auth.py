"""Who may speak to the API: one secret token per operator, kept in a file that only we read."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from wire.configfile import ConfigError

TOKEN_CHARS_MIN = 32
"""Shorter secrets can be guessed."""

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_.@-]{1,64}):\s*(?P<token>[\x21-\x7e]+)")


class Tokens:
    """Knows operators by their tokens, of which it keeps only digests."""

    def __init__(self, by_operator: Mapping[str, str]) -> None:
        for operator, token in by_operator.items():
            if len(token) < TOKEN_CHARS_MIN:
                raise ConfigError(
                    f"the token of {operator} is shorter than {TOKEN_CHARS_MIN} characters; make "
                    "one with `openssl rand -hex 32`"
                )
        self._digests = {name: _digest(token) for name, token in by_operator.items()}

    def operator(self, token: str) -> str | None:
        """Whose token this is; takes equally long whether it is close to one or not."""
        digest = _digest(token)
        found = [n for n, known in self._digests.items() if hmac.compare_digest(known, digest)]
        return found[0] if found else None


def load(path: Path) -> Tokens:
    """Read `operator: token` lines; `#` begins a comment. Raises `ConfigError`."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"{path}: others can read the tokens in it; run `chmod 600 {path}`")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the API's tokens cannot be read: {error}") from error
    tokens: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match["name"] in tokens:
            raise ConfigError(f"{path}:{number}: write `operator: token`, each operator once")
        tokens[match["name"]] = match["token"]
    if not tokens:
        raise ConfigError(f"{path}: no tokens; add a line `operator: token` for each operator")
    return Tokens(tokens)


def create(path: Path, operator: str) -> str:
    """Make a token file for one operator and return the token. Raises `ConfigError`."""
    token = secrets.token_urlsafe(TOKEN_CHARS_MIN)
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(f"{operator}: {token}\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: a token file cannot be made: {error}") from error
    return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
