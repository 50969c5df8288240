"""What the rig has learned, in one file that is replaced whole: checksummed and bounded.

Nothing depends on it: a file that cannot be believed is forgotten, and the rig learns anew.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from agent import durable
from agent.core.learning import LESSONS_MAX, Lesson, Lessons
from wire import logs

SCHEMA = 1
"""Version of the file."""

FILE_BYTES_MAX = 4 * 1024**2
"""A larger file is none of ours."""


class _Page(msgspec.Struct, array_like=True, frozen=True):
    schema: int
    lessons: list[Lesson]


_DECODER = msgspec.json.Decoder(_Page)
_ENCODER = msgspec.json.Encoder()


class Notebook:
    """A file of lessons."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = logs.get("learner")

    def read(self) -> Lessons:
        """What stands there; nothing when there is no file, or it cannot be believed."""
        try:
            raw = self._read()
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._log.warning("forgotten", reason=f"{self._path}: {error.strerror}")
            return {}
        try:
            return {lesson.topic: lesson for lesson in _decoded(raw)}
        except ValueError as error:
            self._log.warning("forgotten", reason=f"{self._path} cannot be believed: {error}")
            return {}

    def write(self, lessons: Lessons) -> None:
        """Replace the file; what a full disk refuses is only logged, and tried again next time."""
        page = _ENCODER.encode(_Page(SCHEMA, list(lessons.values())))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            durable.replace(self._path, durable.line(page))
        except OSError as error:
            self._log.warning("not written", reason=f"{self._path}: {error.strerror}")

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(FILE_BYTES_MAX + 1)


def _decoded(raw: bytes) -> list[Lesson]:
    """Raises `ValueError`, which says what is wrong."""
    if len(raw) > FILE_BYTES_MAX:
        raise ValueError(f"it has more than {FILE_BYTES_MAX} bytes")
    payload = durable.payload(raw)
    try:
        page = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is of another version: {error}") from error
    if page.schema != SCHEMA:
        raise ValueError(f"it has schema {page.schema}, this agent knows {SCHEMA}")
    lessons = page.lessons[-LESSONS_MAX:]
    estimates = (e for one in lessons for e in (*one.quantities.values(), *one.phases.values()))
    if not all(estimate.sound() for estimate in estimates):
        raise ValueError("it holds figures that nothing measures")
    return lessons
