"""What a user may do with files, told from owners and modes, without becoming that user."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

_BITS = {"r": 4, "w": 2, "x": 1}


@dataclass(frozen=True, slots=True)
class Person:
    """A user with the groups that it is in."""

    name: str
    uid: int
    gids: frozenset[int]

    @classmethod
    def named(cls, name: str) -> Person:
        """A user of this machine; one that does not exist owns nothing."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return cls(name, -1, frozenset())
        groups = {group.gr_gid for group in grp.getgrall() if name in group.gr_mem}
        return cls(name, entry.pw_uid, frozenset({entry.pw_gid, *groups}))

    @property
    def exists(self) -> bool:
        """Whether this machine has such a user."""
        return self.uid >= 0

    def may(self, path: Path, verbs: str) -> bool:
        """Whether owner and mode of `path` and of the folders above it allow `verbs`, of `rwx`.

        Raises:
            OSError: It does not exist, or this process may not look.
        """
        above = all(self.allows(folder.stat(), "x") for folder in path.absolute().parents)
        return above and self.allows(path.stat(), verbs)

    def allows(self, status: os.stat_result, verbs: str) -> bool:
        """Whether this owner and mode allow `verbs`."""
        if self.uid == 0:
            return "x" not in verbs or bool(status.st_mode & 0o111)
        mode = stat.S_IMODE(status.st_mode)
        if status.st_uid == self.uid:
            mode >>= 6
        elif status.st_gid in self.gids:
            mode >>= 3
        return all(mode & _BITS[verb] for verb in verbs)
