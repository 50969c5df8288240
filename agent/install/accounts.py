"""Users and groups of a machine or of an image's tree, by name and by number."""

from __future__ import annotations

import grp
import pwd
from pathlib import Path


class Accounts:
    """Read anew at each question: an installation makes users on its way."""

    def __init__(self, root: str) -> None:
        """`root`: folder that holds another machine's tree; empty: this machine."""
        self._root = root

    def users(self) -> dict[str, int]:
        """Every user's number."""
        if self._root:
            return _numbers(Path(f"{self._root}/etc/passwd"))
        return {user.pw_name: user.pw_uid for user in pwd.getpwall()}

    def groups(self) -> dict[str, int]:
        """Every group's number."""
        if self._root:
            return _numbers(Path(f"{self._root}/etc/group"))
        return {group.gr_name: group.gr_gid for group in grp.getgrall()}

    def user(self, number: int) -> str:
        """A user's name, or the number of one that has none."""
        return _name(self.users(), number)

    def group(self, number: int) -> str:
        """A group's name, or the number of one that has none."""
        return _name(self.groups(), number)


def _numbers(path: Path) -> dict[str, int]:
    """From a file of `name:password:number:…` lines; only root if it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {"root": 0}
    entries = (line.split(":") for line in lines)
    numbers = {entry[0]: int(entry[2]) for entry in entries if entry[2:] and entry[2].isdigit()}
    return {"root": 0} | numbers


def _name(numbers: dict[str, int], number: int) -> str:
    return next((name for name, known in numbers.items() if known == number), str(number))
