"""TUNING: the workload's own profile; for inference, proof that nothing of mining is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core.effects import Tune
from agent.core.model import Failed, Succeeded
from agent.ports import TuneError
from tests.agent.groups import GPU, workload
from tests.agent.test_performer import ETC, Tuner, performed
from wire.model import Kind


def test_the_workloads_own_profile_is_applied() -> None:
    tuner = Tuner()
    assert performed(Tune(4, "etc"), workload("etc", profile="eco"), tuner=tuner)[0] == Succeeded(4)
    assert tuner.done == ["eco"]


def test_a_profile_that_is_not_taken_is_a_failure() -> None:
    event, _ = performed(Tune(4, "etc"), workload("etc", profile="eco"))
    assert event == Failed(4, "profile 'eco' is unknown on this rig; use `neutral`")


class Judge:
    """A checker that has its own opinion of the GPUs."""

    def __init__(self, tuner: Tuner, verdict: str = "") -> None:
        self.tuner, self.verdict = tuner, verdict

    async def check(self, gpus: tuple[str, ...]) -> None:
        self.tuner.done.append(f"checked {', '.join(gpus)}")
        if self.verdict:
            raise TuneError(self.verdict)


@pytest.mark.parametrize(
    ("profile", "done"),
    [
        ("neutral", ["neutral", f"checked {GPU}"]),
        ("eco", ["neutral", "eco", f"checked {GPU}"]),
    ],
)
def test_before_inference_neutral_is_proven_and_the_gpus_are_checked(
    profile: str, done: list[str]
) -> None:
    llama = replace(workload("llama", profile=profile), kind=Kind.INFERENCE)
    tuner = Tuner()
    event, _ = performed(Tune(4, "llama"), llama, tuner=tuner, checker=Judge(tuner))
    assert (event, tuner.done) == (Succeeded(4), done)


def test_mining_is_not_held_up_by_the_checker() -> None:
    tuner = Tuner()
    performed(Tune(4, "etc"), ETC, tuner=tuner, checker=Judge(tuner, "wrong sums"))
    assert tuner.done == ["neutral"]


def test_gpus_that_compute_wrongly_are_a_failure() -> None:
    llama = replace(workload("llama"), kind=Kind.INFERENCE)
    tuner = Tuner()
    event, _ = performed(Tune(4, "llama"), llama, tuner=tuner, checker=Judge(tuner, "wrong sums"))
    assert event == Failed(4, "wrong sums")
