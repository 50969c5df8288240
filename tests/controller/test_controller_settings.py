"""The controller's file and program: what each refusal says, and the exit code."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from controller import keys, settings
from controller.__main__ import main
from controller.demo import scenario
from controller.settings import ReplaySettings, price_clock
from tests.controller import farm_file
from wire.configfile import ConfigError

NAN = float("nan")


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def told(folder: Path, **changes: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        settings.load(farm_file.write(folder, **changes))
    return str(refused.value).removeprefix(str(folder))


def ran(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `rigshift-controller`."""
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_whole_file_is_taken_with_its_defaults(tmp_path: Path) -> None:
    loaded = settings.load(farm_file.write(tmp_path))
    assert loaded.state_dir == tmp_path / "state"
    assert (loaded.api.host, loaded.api.port) == ("127.0.0.1", 0)
    assert loaded.link.zeromq is not None
    assert loaded.feeds.recorded[0].files[0].path == tmp_path / "prices.csv"


def test_without_a_word_on_links_rigs_connect_over_zeromq_on_loopback(tmp_path: Path) -> None:
    content = farm_file.document(tmp_path)
    del content["link"]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
    link = settings.load(tmp_path / "c.yaml").link
    assert link.zeromq is not None
    assert link.zeromq.listen == "tcp://127.0.0.1:9701"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"link": {}}, "link: name exactly one transport, `zeromq` or `mqtt`"),
        (
            {"link": {"zeromq": {}, "mqtt": {"url": "mqtt://127.0.0.1"}}},
            "link: name exactly one transport",
        ),
        ({"api": {"host": "0.0.0.0"}}, "api: 0.0.0.0 is not loopback, and the API carries a token"),
        (
            {"api": {"host": "farm.example", "tls_cert_file": "c.pem"}},
            "give `tls_cert_file` and `tls_key_file`, or listen on 127.0.0.1",
        ),
        ({"api": {"port": 70_000}}, "api.port: 70000 is no port; use 0 (any free one) to 65535"),
        ({"tick_s": 0}, "tick_s: must be above 0 and finite, not 0"),
        ({"tick_s": NAN}, "tick_s: must be above 0 and finite, not nan"),
        ({"lease_s": -1}, "lease_s: must be above 0"),
        ({"feed_interval_s": float("inf")}, "feed_interval_s: must be above 0"),
        ({"fleet": {"retry_failed_s": 0}}, "fleet.retry_failed_s: must be above 0"),
        ({"policy": {"margin_usd_per_h": -1}}, "policy.margin_usd_per_h: must be 0 or more"),
        ({"policy": {"timing_tick_s": 700}}, "policy.timing_tick_s: must be a whole part"),
        ({"policy": {"timing": "guess"}}, "policy.timing: invalid enum value 'guess'"),
        ({"quotes": {}}, "farm: site oslo: series 'power' has no rules under `quotes`"),
        ({"feeds": {"recorded": [{"name": "tape", "files": []}]}}, "feeds: feed tape: files: name"),
        (
            {"replay": {"prices_from": "2026-03-02T00:00:00", "began_at": 1.0}},
            "replay: prices_from: write the zone too, e.g. 2026-03-02T00:00:00Z",
        ),
        (
            {"replay": {"prices_from": "2026-03-02T00:00:00Z", "began_at": 1.0, "speed": 0}},
            "replay.speed: must be above 0",
        ),
        ({"tik_s": 5}, "tik_s: object contains unknown field `tik_s`; remove it or mend its"),
        ({"tick_s": "often"}, "tick_s: expected `float`, got `str`"),
        ({"policy": {"dwel_s": 5}}, "policy.dwel_s: object contains unknown field"),
    ],
)
def test_what_a_controllers_file_must_not_say(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    assert message in told(tmp_path, **changes)


def test_a_time_zone_that_nobody_knows_is_named(tmp_path: Path) -> None:
    farm = farm_file.document(tmp_path)["farm"]
    farm["sites"][0]["time_zone"] = "Europe/Atlantis"
    assert "site oslo: time_zone: 'Europe/Atlantis' is unknown" in told(tmp_path, farm=farm)


def test_unknown_keys_are_named_by_their_line(tmp_path: Path) -> None:
    path = farm_file.write(tmp_path)
    path.write_text("tik_s: 5\n" + path.read_text())
    with pytest.raises(ConfigError, match=r"controller.yaml:1: tik_s:"):
        settings.load(path)


def test_off_loopback_with_tls_is_allowed(tmp_path: Path) -> None:
    api = {"host": "0.0.0.0", "tls_cert_file": "c.pem", "tls_key_file": "k.pem"}
    assert settings.load(farm_file.write(tmp_path, api=api)).api.host == "0.0.0.0"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_tls(tmp_path: Path, host: str) -> None:
    assert settings.load(farm_file.write(tmp_path, api={"host": host})).api.host == host


def test_a_replay_passes_prices_at_its_own_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = price_clock(ReplaySettings(prices_from=scenario.BEGIN, began_at=1_000.0, speed=60.0))
    monkeypatch.setattr("time.time", lambda: 1_010.0)
    assert now() == scenario.BEGIN.timestamp() + 600.0


# The program.


def test_a_good_file_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ran(capsys, "check-config", "--config", farm_file.write(tmp_path))
    assert (code, err) == (0, "")
    assert "1 feeds; 0 contracts, 0 desks, 0 rules; state in" in out


@pytest.mark.parametrize("verb", [("run",), ("check-config",), ("revoke", "rig-1")])
def test_a_bad_file_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: tuple[str, ...]
) -> None:
    code, out, err = ran(capsys, *verb, "--config", farm_file.write(tmp_path, tick_s=0))
    assert (code, out) == (2, "")
    assert err.startswith("rigshift-controller: ")
    code, _, err = ran(capsys, *verb, "--config", tmp_path / "absent.yaml")
    assert (code, "name the right one with --config" in err) == (2, True)


def test_a_recording_that_is_missing_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = farm_file.write(tmp_path, link={"zeromq": {"listen": "tcp://127.0.0.1:*"}})
    (tmp_path / "prices.csv").unlink()
    code, _, err = ran(capsys, "run", "--config", path, "--log-level", "error")
    assert code == 2
    assert "prices.csv" in err


def test_a_state_directory_that_cannot_be_made_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("a file stands in the way")
    code, _, err = ran(capsys, "run", "--config", farm_file.write(tmp_path))
    assert (code, "mend `state_dir`" in err) == (2, True)


def test_addresses_in_use_are_failures_that_say_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        link = {"zeromq": {"listen": f"tcp://127.0.0.1:{port}"}}
        code, _, err = ran(capsys, "run", "--config", farm_file.write(tmp_path, link=link))
        assert code == 1
        assert "another process listens there; stop it or choose another port" in err
        free = {"zeromq": {"listen": "tcp://127.0.0.1:*"}}
        path = farm_file.write(tmp_path, link=free, api={"port": port})
        code, _, err = ran(capsys, "run", "--config", path)
        assert code == 1
        assert f"cannot listen on 127.0.0.1:{port}" in err


def test_a_store_that_is_none_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = farm_file.write(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "controller.db").write_text("no database" * 100)
    code, _, err = ran(capsys, "run", "--config", path)
    assert code == 1
    assert "not a database of SQLite; name another, or restore a backup" in err


@pytest.mark.parametrize("words", ["", "dance", "enroll rig-1", "revoke"])
def test_usage_errors_leave_with_2(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words.split())
    assert left.value.code == 2
    assert "usage: rigshift-controller" in capsys.readouterr().err


# Keys.


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    made = keys.load(tmp_path)
    again = keys.load(tmp_path)
    assert made.signer.public_key == again.signer.public_key
    assert made.curve_secret == again.curve_secret
    for name in ("order.key", "curve.key"):
        assert stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["", "not hex", "abcd"])
def test_a_damaged_order_key_is_never_replaced_in_silence(tmp_path: Path, damage: str) -> None:
    keys.load(tmp_path)
    (tmp_path / "keys" / "order.key").write_text(damage)
    with pytest.raises(ConfigError, match=r"damaged .*; restore it from a backup"):
        keys.load(tmp_path)
    assert (tmp_path / "keys" / "order.key").read_text() == damage


def test_keys_that_cannot_be_kept_are_bad_input(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file stands in the way")
    with pytest.raises(ConfigError, match="keys cannot be kept here"):
        keys.load(tmp_path)


def test_a_secret_never_overwrites_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("precious")
    with pytest.raises(FileExistsError):
        keys.write_secret(tmp_path / "x", "secret")
    assert (tmp_path / "x").read_text() == "precious"
