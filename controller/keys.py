"""The controller's secrets on disk: made once, readable by their owner only, never logged."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from wire import zeromq
from wire.configfile import ConfigError
from wire.signing import KEY_BYTES, KeyFormatError, Signer


@dataclass(frozen=True, slots=True)
class Keys:
    """What a controller proves itself with."""

    signer: Signer
    """Signs orders, Ed25519."""
    curve_secret: str
    """ZeroMQ CURVE secret key, z85."""


def load(state_dir: Path) -> Keys:
    """Read the keys, making those that are missing. Raises `ConfigError`."""
    folder = state_dir / "keys"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        seed = _kept(folder / "order.key", secrets.token_hex(KEY_BYTES))
        curve_secret = _kept(folder / "curve.key", zeromq.generate_keys().secret)
        return Keys(Signer(bytes.fromhex(seed)), curve_secret)
    except OSError as error:
        raise ConfigError(f"{folder}: keys cannot be kept here: {error}") from error
    except (ValueError, KeyFormatError) as error:
        raise ConfigError(
            f"{folder}/order.key is damaged ({error}); restore it from a backup, "
            "or remove it and enrol every rig again"
        ) from error


def write_secret(path: Path, text: str) -> None:
    """Write a new file that only its owner can read. Raises `OSError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _kept(path: Path, fresh: str) -> str:
    if not path.exists():
        write_secret(path, fresh + "\n")
    return path.read_text(encoding="utf-8").strip()
