"""Which measurements count, how a class steadies them, and how far a liar is believed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import measured
from controller.core.measured import (
    AGREEMENT_RATIO,
    CLASS_MIN,
    FACTOR_MAX,
    GPU_POWER_MAX_W,
    SAMPLES_MIN,
    SWITCHES_MIN,
    Figures,
    Known,
    Quantity,
    Source,
    Witness,
)
from wire.figures import Figure, Measured
from wire.model import Phase

ETC_W = ("etc", Quantity.BUSY_W)


def figure(value: float, samples: int = SAMPLES_MIN) -> Figure:
    return Figure(value, 0.0, samples)


def etc(
    watts: float | None = None,
    *,
    samples: int = SAMPLES_MIN,
    profile: str = "eco",
    hashrate: float | None = None,
    accepted: float | None = None,
    algorithm: str | None = None,
    phases: Sequence[tuple[Phase, float]] = (),
) -> Measured:
    return Measured(
        group="all",
        workload="etc",
        profile=profile,
        gpu_busy_w=None if watts is None else figure(watts, samples),
        hashrate_hps=None if hashrate is None else figure(hashrate, samples),
        accepted_ratio=None if accepted is None else figure(accepted, samples),
        algorithm=algorithm,
        phase_s=tuple((phase, figure(seconds, SWITCHES_MIN)) for phase, seconds in phases),
    )


def figures(own: Measured | None, *others: Measured, gpus: int = 1) -> Figures:
    entries = () if own is None else (own,)
    witnesses = [Witness("a4000", 1, (other,)) for other in others]
    return measured.figures(Witness("a4000", gpus, entries), measured.typical(witnesses))


def test_few_samples_count_for_nothing() -> None:
    assert not figures(etc(200.0, samples=SAMPLES_MIN - 1))
    assert figures(etc(200.0)) == {ETC_W: Known(200.0, Source.MEASURED, SAMPLES_MIN)}


def test_a_class_speaks_for_those_that_have_not_measured_by_the_gpu() -> None:
    class_of = [etc(190.0), etc(200.0), etc(260.0)]
    assert figures(None, *class_of, gpus=8) == {ETC_W: Known(1600.0, Source.CLASS, 3)}
    assert not figures(None, *class_of[: CLASS_MIN - 1]), "too few to be a class"


def test_who_is_near_its_class_counts_as_the_class_does() -> None:
    near = 200.0 * (1.0 + AGREEMENT_RATIO * 0.99)
    far = 200.0 * (1.0 + AGREEMENT_RATIO * 1.01)
    others = [etc(200.0)] * 3
    assert figures(etc(near), *others)[ETC_W] == Known(200.0, Source.AGREED, 3)
    assert figures(etc(far), *others)[ETC_W] == Known(216.0, Source.MEASURED, SAMPLES_MIN)


def test_what_differs_by_noise_is_one_figure() -> None:
    known = [figures(etc(watts, samples=n)) for watts, n in ((143.04, 2_130), (142.96, 1_999))]
    assert known[0] == known[1] == {ETC_W: Known(143.0, Source.MEASURED, 2_000)}


@pytest.mark.parametrize(("said", "taken"), [(1.0, 100.0), (1_990.0, 400.0)])
def test_nonsense_is_believed_up_to_a_factor_and_told(said: float, taken: float) -> None:
    found = figures(etc(said), *[etc(200.0)] * 3)[ETC_W]
    assert found == Known(taken, Source.MEASURED, SAMPLES_MIN, doubted=said)


def test_watts_that_no_gpu_draws_are_none() -> None:
    assert not figures(etc(GPU_POWER_MAX_W * 8 + 1.0), gpus=8)
    assert figures(etc(GPU_POWER_MAX_W * 8), gpus=8)


def test_one_liar_in_a_class_of_many_moves_it_hardly() -> None:
    honest = [etc(watts) for watts in (196.0, 198.0, 200.0, 202.0)]
    assert figures(None, *honest, etc(1_999.0))[ETC_W].value == 200.0


def test_profiles_and_algorithms_are_not_mixed() -> None:
    others = [etc(120.0, profile="eco", hashrate=5e7, algorithm="etchash")] * 3
    own = etc(300.0, profile="oc", hashrate=9e6, algorithm="kawpow")
    found = figures(own, *others)
    assert found[ETC_W] == Known(300.0, Source.MEASURED, SAMPLES_MIN)
    assert found["etc", Quantity.HASHRATE] == Known(9e6, Source.MEASURED, SAMPLES_MIN)
    assert not figures(etc(profile="oc"), *others), "nothing of eco speaks for oc"


def test_other_classes_say_nothing() -> None:
    strangers = [Witness("h100", 1, (etc(700.0),))] * 3
    assert not measured.figures(Witness("a4000", 1, ()), measured.typical(strangers))


def test_rejected_shares_are_not_paid() -> None:
    found = figures(etc(hashrate=6e7, accepted=0.9))
    assert found["etc", Quantity.HASHRATE].value == pytest.approx(5.4e7)
    assert figures(etc(hashrate=6e7, accepted=50.0))["etc", Quantity.HASHRATE].value == 6e7


def test_a_switch_has_two_halves_and_preparing_is_none() -> None:
    found = figures(
        etc(
            phases=[
                (Phase.PREPARING, 500.0),
                (Phase.STOPPING, 3.0),
                (Phase.VACATING, 2.0),
                (Phase.STARTING, 1.0),
                (Phase.PROBING, 40.0),
            ]
        ),
        gpus=8,
    )
    assert found["etc", Quantity.LEAVE_S].value == 5.0
    assert found["etc", Quantity.ARRIVE_S].value == 41.0
    assert not figures(etc(phases=[(Phase.STOPPING, 3.0)])), "half a half is none"
    fast = measured.paced(found, 60.0)
    assert fast["etc", Quantity.LEAVE_S].value == 300.0, "a replay's seconds are longer"


@given(
    st.floats(1.0, GPU_POWER_MAX_W),
    st.floats(1.0, GPU_POWER_MAX_W),
    st.lists(st.floats(50.0, 500.0), min_size=0, max_size=6),
)
def test_a_higher_figure_never_counts_for_less_and_stays_near_its_class(
    one: float, two: float, others: list[float]
) -> None:
    peers = [etc(watts) for watts in others]
    low, high = (figures(etc(w), *peers)[ETC_W].value for w in sorted((one, two)))
    assert low <= high
    if len(peers) >= CLASS_MIN:
        middle = figures(None, *peers)[ETC_W].value
        assert middle / FACTOR_MAX <= low
        assert high <= middle * FACTOR_MAX
