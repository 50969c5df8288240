"""How busy a server is, by whatever it tells: metrics, slots or the models that it holds.

What is missing is ``None``, never 0: a server that tells nothing may be busy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

import msgspec

from agent.core.workload import Workload
from agent.drivers import paths


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a server is, over all its engines."""

    running: int | None = None
    waiting: int | None = None
    tokens_total: int | None = None
    """Generated tokens since its start."""
    idle: bool = False
    """Whether it says that nothing is in progress."""


class Signal(Protocol):
    """One way to tell how busy a server is."""

    @property
    def path(self) -> str:
        """What to get."""

    @property
    def separate(self) -> bool:
        """Whether it is found at `metrics_url`, where the workload has one."""

    def read(self, body: bytes, workload: Workload) -> Load | None:
        """Read an answer; ``None`` when it tells nothing of this."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Prometheus metrics, by name.

    Of each kind all names that are there are summed, over engines and models: a name that an older
    or newer version has is simply listed too. Prefixes of vLLM (`vllm:`, `vllm_`, none) do not
    matter. A name may carry one label, as in `requests{state="active"}`.
    """

    path: str
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    tokens: tuple[str, ...] = ()
    tells_running: bool = True
    """If not, what waits alone decides where nothing tells what runs."""
    separate: bool = True

    def read(self, body: bytes, workload: Workload) -> Load | None:
        """Read an exposition; lines that do not fit are passed over."""
        exposition = body.decode(errors="replace")
        running, waiting, tokens = (
            _sum(exposition, names) for names in (self.running, self.waiting, self.tokens)
        )
        still = running == 0 or (running is None and not self.tells_running)
        return Load(running, waiting, tokens, idle=still and waiting == 0)


@dataclass(frozen=True, slots=True)
class Slots:
    """llama.cpp's list of slots, each of which works at one request or none."""

    path: str
    separate: bool = False

    def read(self, body: bytes, workload: Workload) -> Load | None:
        """Count the slots at work; requests that wait for one are not seen."""
        working = [slot is True for slot in paths.select(_document(body), "[].is_processing")]
        return Load(running=sum(working), idle=not any(working)) if working else None


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """Ollama's list of models in memory; one that was let go stays there while it works."""

    path: str
    separate: bool = False

    def read(self, body: bytes, workload: Workload) -> Load | None:
        """Idle when the model has left memory."""
        document = _document(body)
        if not isinstance(document, dict) or "models" not in document:
            return None
        names = {
            *paths.select(document, "models[].name"),
            *paths.select(document, "models[].model"),
        }
        return Load(idle=not names & {workload.model, f"{workload.model}:latest"})


def _sum(exposition: str, names: tuple[str, ...]) -> int | None:
    values = [
        value
        for name in names
        for sample in _pattern(name).finditer(exposition)
        if (value := paths.number(sample["value"])) is not None
    ]
    return paths.whole(sum(values)) if values else None


def _pattern(metric: str) -> re.Pattern[str]:
    name, brace, label = metric.partition("{")
    labels = rf"\{{.*?{re.escape(label.rstrip('}'))}.*\}}" if brace else r"(?:\{.*\})?"
    return re.compile(
        rf"^(?:\w*vllm[:_])?{re.escape(name)}{labels}[ \t]+(?P<value>\S+)", re.MULTILINE
    )


def _document(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
