"""How a known prompt is put to a server, and where its answer stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from agent.core.workload import Workload
from agent.drivers import paths

SEED = 0
"""Beside temperature 0, for servers that draw even then; any, but always the same."""

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
        "options": {
            "num_predict": workload.readiness.max_tokens,
            "temperature": 0,
            "seed": SEED,
        },
    }


def tgi(workload: Workload) -> dict[str, object]:
    """Text Generation Inference's own `/generate`, which takes no temperature of 0."""
    tokens = workload.readiness.max_tokens
    parameters = {"max_new_tokens": tokens, "do_sample": False, "seed": SEED}
    return {"inputs": workload.readiness.prompt, "parameters": parameters}


def triton(workload: Workload) -> dict[str, object]:
    """Triton's generate extension, as language models use it; greedy, so without a seed."""
    tokens = workload.readiness.max_tokens
    parameters = {"stream": False, "max_tokens": tokens, "temperature": 0}
    return {"text_input": workload.readiness.prompt, "parameters": parameters}


def triton_infer(workload: Workload) -> dict[str, object]:
    """Triton's inference protocol, for models that take the same texts and have no generate."""
    readiness = workload.readiness
    return {
        "inputs": [
            _tensor("text_input", "BYTES", readiness.prompt),
            _tensor("max_tokens", "INT32", readiness.max_tokens),
        ]
    }


def _tensor(name: str, datatype: str, value: object) -> dict[str, object]:
    return {"name": name, "shape": [1, 1], "datatype": datatype, "data": [value]}


def _common(workload: Workload) -> dict[str, object]:
    return {
        "model": workload.model,
        "max_tokens": workload.readiness.max_tokens,
        "temperature": 0,
        "seed": SEED,
    }
