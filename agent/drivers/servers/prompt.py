"""How a known prompt is put to a server, and where its answer stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from agent.core.workload import Workload
from agent.drivers import paths

TOKENS_MAX = 32
"""Enough for a known answer, short enough not to delay paying work."""

Body = Callable[[Workload], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One way to ask."""

    path: str
    """`{model}` stands for the workload's model."""
    body: Body
    answer: str
    """Path of the text or texts in the answer."""

    def text(self, body: bytes) -> str | None:
        """The answer's text, which may be empty; ``None`` when there is no place for one."""
        try:
            document = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        found = paths.select(document, self.answer)
        if not found or (found == [None] and not self._has_place(document)):
            return None
        return "".join(value for value in found if isinstance(value, str))

    def _has_place(self, document: object) -> bool:
        """A null where the text should be is an empty answer; another document is none."""
        parent, _, key = self.answer.rpartition(".")
        holders = paths.select(document, parent) if parent else [document]
        return any(isinstance(holder, dict) and key in holder for holder in holders)


def completion(workload: Workload) -> dict[str, object]:
    """OpenAI's `/v1/completions`."""
    return {**_common(workload), "prompt": workload.readiness.prompt}


def chat(workload: Workload) -> dict[str, object]:
    """OpenAI's `/v1/chat/completions`."""
    message = {"role": "user", "content": workload.readiness.prompt}
    return {**_common(workload), "messages": [message]}


def ollama(workload: Workload) -> dict[str, object]:
    """Ollama's own `/api/generate`."""
    return {
        "model": workload.model,
        "prompt": workload.readiness.prompt,
        "stream": False,
        "options": {"num_predict": TOKENS_MAX, "temperature": 0},
    }


def triton(workload: Workload) -> dict[str, object]:
    """Triton's generate extension, as language models use it."""
    parameters = {"stream": False, "max_tokens": TOKENS_MAX, "temperature": 0}
    return {"text_input": workload.readiness.prompt, "parameters": parameters}


def _common(workload: Workload) -> dict[str, object]:
    return {"model": workload.model, "max_tokens": TOKENS_MAX, "temperature": 0}
