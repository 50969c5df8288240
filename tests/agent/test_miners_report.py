"""How figures are read from an answer: paths, units, PCI buses, pools."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.drivers import paths
from agent.drivers.miner import MinerDriver
from agent.drivers.miners import report
from agent.drivers.miners.row import Miner
from agent.drivers.miners.source import ApiSource
from agent.drivers.miners.table import MINERS
from tests.parts import miners
from tests.parts.apis import SaysItRuns
from wire.model import WorkloadReading
from wire.packing import Packer

DOCUMENT = {
    "a": {"b c": 1, "list": [{"n": 1}, {"n": "2"}, {}], "gpu0": 5, "gpu1": 6, "gpu3": 8},
    "nested": [[1, 2], [3]],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b c", [1]),
        ("a.list[1].n", ["2"]),
        ("a.list[].n", [1, "2", None]),
        ("a.list[9].n", [None]),
        ("a.gpu#", [5, 6]),
        ("a.cpu#", []),
        ("nested[][0]", [1, 3]),
        ("nested[][1]", [2, None]),
        ("nested[][]", [1, 2, 3]),
        ("a.missing.n", [None]),
        ("a.missing[]", []),
        ("a.list.n", [None]),
        ("a[0]", [None]),
        ("nested[0].n", [None]),
        ("a.missing.gpu#", []),
    ],
)
def test_selects(path: str, found: list[object]) -> None:
    assert paths.select(DOCUMENT, path) == found


def test_selects_from_a_list() -> None:
    assert paths.select([{"n": 1}, {"n": 2}], "[].n") == [1, 2]


def test_adds_up_what_is_a_number_and_takes_the_first_place_that_has_one() -> None:
    assert paths.first_number(DOCUMENT, ("a.missing", "a.list[].n", "a.gpu0")) == 3
    assert paths.first_number(DOCUMENT, ("a.missing", "a.list[2].n")) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [(0, 0), ("1e3", 1000), (" 2.5 ", 2.5), (10**400, None), ("inf", None), (-0.1, None)],
)
def test_a_number_is_finite_and_not_negative(value: object, found: float | None) -> None:
    assert paths.number(value) == found


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("H/s", 1),
        ("kH/s", 1e3),
        ("Mh/s", 1e6),
        ("GH/s", 1e9),
        ("TH/s", 1e12),
        ("PH/s", 1e15),
        ("khs", 1e3),
        ("Sol/s", 1),
        ("kSol/s", 1e3),
        ("S/s", 1),
        ("G/s", 1),
        ("W", None),
        ("", None),
        ("MH", None),
    ],
)
def test_units(unit: str, factor: float | None) -> None:
    assert report.factor_of(unit) == factor


@pytest.mark.parametrize(
    ("value", "bus"),
    [
        (10, 10),
        ("10", 10),
        ("12:0", 12),
        ("0000:0a:00.0", 10),
        ("00000000:2B:00.0", 0x2B),
        ("0a:00.0", 10),
        (256, None),
        ("256", None),
        ("a:0", None),
        (True, None),
        (1.5, None),
        ("", None),
        (None, None),
    ],
)
def test_pci_buses(value: object, bus: int | None) -> None:
    assert report.pci_bus(value) == bus


@pytest.mark.parametrize(
    ("url", "pool"),
    [
        ("stratum+ssl://0xWALLET.rig:x@eth.example:5555", "stratum+ssl://eth.example:5555"),
        ("WALLET@eth.example:5555", "eth.example:5555"),
        ("http://eth.example:8080/WALLET/rig@home", "http://eth.example:8080"),
        ("stratum+tcp://eth.example:5555?user=WALLET", "stratum+tcp://eth.example:5555"),
        ("eth.example:5555", "eth.example:5555"),
        ("stratum://", None),
        (None, None),
    ],
)
def test_a_pool_is_told_without_the_account(url: str | None, pool: str | None) -> None:
    assert report.pool(url) == pool


@pytest.mark.parametrize("unit", ["Mh/s", "MH/s"])
def test_a_known_unit_stands_in_for_a_missing_factor(unit: str) -> None:
    row = miners.BY_NAME["lolminer"]
    document = miners.answer(row, "working")
    del document["Algorithms"][0]["Performance_Factor"]
    document["Algorithms"][0]["Performance_Unit"] = unit
    assert report.read(document, row).hashrate_hps == 122535000


@pytest.mark.parametrize(
    ("miner", "places"),
    [
        ("lolminer", {"Performance_Unit": "parsec/s", "Performance_Factor": None}),
        ("gminer", {"speed_unit": "parsec/s"}),
    ],
)
def test_an_unknown_unit_is_refused(miner: str, places: dict[str, object]) -> None:
    row = miners.BY_NAME[miner]
    document = miners.answer(row, "working")
    (document["Algorithms"][0] if "Algorithms" in document else document).update(places)
    found = report.read(document, row)
    assert found.hashrate_hps is None
    assert all(gpu.hashrate_hps is None for gpu in found.gpus)
    assert found.accepted

    driver = MinerDriver(SaysItRuns(), ApiSource(row))
    look = miners.asked(row, json.dumps(document).encode(), driver.probe)
    assert not look.ready
    assert "no hashrate: unknown unit 'parsec/s'" in look.reason


def test_a_factor_adds_no_fraction_of_a_hash() -> None:
    row = miners.BY_NAME["teamredminer"]
    for khs, hps in ((0.1, 100), (8.2, 8200), (12345.678, 12345678), (61234.567, 61234567)):
        document = {"summary": {"SUMMARY": [{"KHS 30s": khs}]}}
        assert report.read(document, row).hashrate_hps == hps


def test_several_commands_may_be_answered_in_lists() -> None:
    row = miners.BY_NAME["teamredminer"]
    document = miners.answer(row, "working")
    listed = {name: [document[name]] for name in ("summary", "devs")}
    assert report.read(listed, row).hashrate_hps == 61234567


def test_columns_of_different_lengths_are_not_put_together() -> None:
    row = miners.BY_NAME["trex"]
    document = miners.answer(row, "working")
    found = report.gpus([1, 2], [5.0], [1], 1.0)
    assert [(gpu.pci_bus, gpu.hashrate_hps, gpu.shares_accepted) for gpu in found] == [
        (None, 5.0, 1)
    ]
    assert report.gpus([], [1.0] * (report.GPUS_MAX + 1), [], 1.0) == ()
    document["gpus"] = {}
    assert report.read(document, row).gpus == ()


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
ODD = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("row", MINERS, ids=lambda row: row.driver)
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_a_miner_says_can_be_told(row: Miner, data: st.DataObject) -> None:
    """Values of any kind in the places of an answer: never an exception, always a message."""

    def shaken(document: object) -> object:
        if data.draw(st.integers(0, 9)) == 0:
            return data.draw(ODD)
        match document:
            case dict():
                return {name: shaken(value) for name, value in document.items()}
            case list():
                return [shaken(value) for value in document]
        return document

    found = report.read(shaken(miners.answer(row, "working")), row)
    told = WorkloadReading(
        "g",
        "w",
        hashrate_hps=found.hashrate_hps,
        shares_accepted=found.accepted,
        shares_rejected=found.rejected,
        shares_stale=found.stale,
        algorithm=found.algorithm,
        pool=found.pool,
        uptime_s=found.uptime_s,
        gpus=found.gpus,
    )
    packer = Packer(WorkloadReading)
    assert packer.unpack(packer.pack(told)) == told


@pytest.mark.parametrize("name", ["", "a.b", "a[", "a[0]", "a#", "?", "+zil"])
def test_an_odd_name_of_an_algorithm_leads_nowhere(name: str) -> None:
    row = miners.BY_NAME["rigel"]
    found = report.read(miners.answer(row, "working") | {"algorithm": name}, row)
    assert (found.hashrate_hps, found.accepted) == (None, None)


@pytest.mark.parametrize("huge", [1e300, 2**64, "9e999"])
def test_what_nothing_could_count_is_no_count(huge: object) -> None:
    row = miners.BY_NAME["lolminer"]
    document = miners.answer(row, "working")
    document["Algorithms"][0] |= {"Total_Accepted": huge, "Total_Performance": 1e305}
    found = report.read(document, row)
    assert (found.accepted, found.hashrate_hps) == (None, None)
