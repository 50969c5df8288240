"""The files of this repository, as a reader of it meets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

NOT_OURS = frozenset({"build", "dist", "node_modules", "var"})
"""Folders that builds and runs leave behind; hidden ones are left out too, but for .github."""


def files(suffix: str, folder: Path = ROOT) -> Iterator[Path]:
    """All files with a suffix, in order."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in NOT_OURS and _shown(path.name):
                yield from files(suffix, path)
        elif path.suffix == suffix:
            yield path


def _shown(folder: str) -> bool:
    return folder == ".github" or not (folder.startswith(".") or folder.endswith(".egg-info"))
