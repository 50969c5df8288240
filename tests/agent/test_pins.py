"""What counts as a wallet or a pool, by its option, its name or its shape, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core import addresses, options, places
from agent.core.options import Options
from agent.core.pins import Evidence, Pins, violations
from agent.drivers import evidence
from agent.drivers.miners import report
from tests.parts.miners import BY_NAME, answer

ETHER = "0x" + "60d" * 13 + "0"
BITCOIN = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
BECH32 = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
TAPROOT = "bc1p5d7rjq7g6rdk2yhzks9smlaqtedr4dekq08ge8ztwac72sfr9rusxg3297"
ERGO = "9fRAWhdxEsTcdb8PhGNrZfwqa65zfkuYHAMmkQLcic1gdLSV5vA"
ZCASH = "t1Hsc1LR8yKnbbe3twRp88p6vFfC5t7DLbs"
RAVEN = "RXBurnXXXXXXXXXXXXXXXXXXXXXXWUo9FV"
MONERO = (
    "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dh"
    "wMVgN5S9cQUiyoogDavup3H"
)
KASPA = "kaspa:qqkqkzjvr7zwxxmjxjkmxxdwju9kjs6e9u82uh59z07vgaks6gg62v8707g73"

OPTIONS = Options(wallets=("-u", "--user"), pools=("-o", "--server"), ports=("-n",))
PINS = Pins(wallets=("farm",), pools=("pool.example:3333",))


@pytest.mark.parametrize(
    "wallet", [ETHER, BITCOIN, BECH32, TAPROOT, ERGO, ZCASH, RAVEN, MONERO, KASPA]
)
def test_wallets_are_known_by_their_shape(wallet: str) -> None:
    assert list(addresses.wallets(f'--x="{wallet}.rig"')) == [wallet]


@pytest.mark.parametrize(
    "text",
    [
        f"{ETHER}0",
        f"x{ETHER}",
        BITCOIN[:-1] + "b",
        BECH32[:-1] + "p",
        "GPU-fef8089b-4820-abfc-e83e-94318197576e",
        "sha256:0d5197393a60329f5e14667c45a3f19077b2a76289f5b084524ec13d1cacfd2f",
        "/usr/lib/python3.11/site-packages/transformers/models/llama",
        "Qwen3CoderThirtyBillionInstruct",
    ],
)
def test_what_only_looks_like_a_wallet_is_none(text: str) -> None:
    assert list(addresses.wallets(text)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pool.example:3333", ["pool.example:3333"]),
        ("POOL.Example.:3333", ["pool.example:3333"]),
        ("stratum+ssl://x:y@pool.example:3333/z", ["pool.example:3333"]),
        ("[1]stratum+tcp://pool.example:3333", ["pool.example:3333"]),
        ("a#@b:1", ["a", "b:1"]),
        ("ssl://[2001:db8::1]:33", ["2001:db8::1:33"]),
        ("", []),
    ],
)
def test_places_by_every_reading(text: str, found: list[str]) -> None:
    assert [str(place) for place in places.places(text)] == found


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["-u", "x", "--user=y", "-user", "z"], ["x", "y", "z"]),
        (["-ulongenough", "-uno", "--us", "w"], ["longenough", "w"]),
        (["--user", "--other", "-u"], []),
        (["--username", "x", "u", "y"], []),
    ],
)
def test_options_as_miners_read_them(arguments: list[str], found: list[str]) -> None:
    assert list(options.wallets(arguments, OPTIONS)) == found


def test_a_port_that_stands_apart_belongs_to_the_pool() -> None:
    split = Evidence(where="here", arguments=("-o", "pool.example", "-n", "4444"))
    assert [each.what for each in violations([split], PINS, OPTIONS)] == ["pool.example:4444"]
    right = Evidence(where="here", arguments=("-o", "pool.example", "-n", "3333"))
    assert violations([right], PINS, OPTIONS) == ()


@pytest.mark.parametrize(
    ("account", "approved"),
    [
        ("farm", True),
        ("farm.rig", True),
        ("farm/rig", True),
        ("farm+50000", True),
        ("farm2", False),
        ("other:farm", False),
        ("other.farm", False),
        ("FARM", False),
    ],
)
def test_an_account_is_the_wallet_with_at_most_something_after_it(
    account: str, approved: bool
) -> None:
    seen = Evidence(where="here", arguments=("--user", account))
    assert (violations([seen], PINS, OPTIONS) == ()) is approved


def test_names_mean_nothing_in_what_does_not_mine() -> None:
    seen = Evidence(
        where="here",
        variables=(("POOL", "8"), ("WALLET", "x")),
        arguments=("--user", "x", "--pool", "2"),
    )
    assert violations([seen], PINS, None) == ()
    url = Evidence(where="here", texts=("exec miner stratum+tcp://evil.example:1",))
    assert [each.what for each in violations([url], PINS, None)] == ["evil.example:1"]


@pytest.mark.parametrize("name", ["USER", "LOGNAME", "TCMALLOC_POOL", "POOLED", "WALLETLESS"])
def test_ordinary_variables_are_let_alone(name: str) -> None:
    seen = Evidence(where="here", variables=((name, "rigshift"),))
    assert violations([seen], PINS, Options()) == ()


def test_what_the_systemd_or_the_shell_will_fill_in_waits_for_the_process() -> None:
    seen = Evidence(where="here", arguments=("--user", "${WALLET}.rig"))
    assert violations([seen], PINS, OPTIONS) != ()
    unexpanded = Evidence(where="here", arguments=("--user", "${WALLET}.rig"), unexpanded=True)
    assert violations([unexpanded], PINS, OPTIONS) == ()


def test_a_pinned_list_that_is_empty_checks_nothing() -> None:
    seen = Evidence(where="here", arguments=("--user", "x", "-o", "evil.example:1"))
    assert [each.kind for each in violations([seen], Pins(pools=("p",)), OPTIONS)] == ["pool"]
    assert [each.kind for each in violations([seen], Pins(wallets=("w",)), OPTIONS)] == ["wallet"]


def test_a_workloads_own_pins_stand_over_the_rigs() -> None:
    assert Pins(pools=("a",)).over(PINS) == Pins(wallets=("farm",), pools=("a",))


TELLS_ACCOUNT = ("gminer", "lolminer", "nbminer", "rigel", "srbminer", "trex")
TELLS_NEITHER = ("teamredminer",)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_miners_api_is_read_for_pool_and_account(name: str) -> None:
    row, document = BY_NAME[name], answer(BY_NAME[name], "working")
    told = [report.told(document, row)]
    found = violations(told, Pins(wallets=("nobody",), pools=("nowhere",)), row.options)
    kinds = {each.kind for each in found}
    wanted = {"pool"} | ({"wallet"} if name in TELLS_ACCOUNT else set())
    assert kinds == (set() if name in TELLS_NEITHER else wanted)
    pools = tuple({each.what for each in found if each.kind == "pool"})
    approved = Pins(wallets=("WALLET", "0xWALLET", "kaspa:WALLET"), pools=pools)
    if pools:
        assert violations(told, approved, row.options) == ()


def test_an_account_that_an_api_shortens_says_nothing() -> None:
    row = BY_NAME["trex"]
    told = report.told({"active_pool": {"user": "0x60d6…60d0"}}, row)
    assert violations([told], PINS, row.options) == ()


def test_systemds_view_of_a_unit_counts_with_drop_ins_and_files(tmp_path: Path) -> None:
    """Properties as systemd gives them over D-Bus."""
    facts = {
        "ExecStart": [["/opt/xmrig", ["/opt/xmrig", "--user", "evil"], False, 0, 0, 0, 0, 0, 0, 0]],
        "Environment": ["WALLET=evil2", "A=b"],
        "EnvironmentFiles": [[f"{tmp_path}/farm.env", False]],
    }
    (tmp_path / "farm.env").write_text("# pools\nexport POOL='evil.example:1'\n")
    found = violations(
        evidence.of_unit("m.service", facts, {4000000: "x '-o' evil.example:2"}, OPTIONS),
        PINS,
        OPTIONS,
    )
    assert sorted(str(each) for each in found) == [
        f"unapproved pool evil.example:1 in {tmp_path}/farm.env, an EnvironmentFile= of m.service",
        "unapproved pool evil.example:2 in the arguments of process 4000000 of m.service",
        "unapproved wallet ev… in the arguments of ExecStart= of m.service",
        "unapproved wallet ev… in the environment of ExecStart= of m.service",
    ]
