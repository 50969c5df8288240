"""Enrolment: keys, inventory, and a file that the agent takes as it is but for its GPUs."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from controller import keys, service, settings
from controller.__main__ import main
from controller.core.model import RigRecord
from tests.controller import farm_file
from wire import zeromq


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Office:
    """A controller's file and the program that enrols rigs with it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], **changes: Any) -> None:
        self.folder = folder
        self.path = farm_file.write(folder, **changes)
        self._capsys = capsys

    def does(self, verb: str, rig: str, *options: str) -> tuple[int, str]:
        """Exit code, and everything that was said."""
        code = main([verb, rig, "--config", str(self.path), *options])
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def enrols(self, rig: str, *options: str) -> tuple[int, str]:
        out = ["--out", str(self.folder / "rigs" / rig)]
        return self.does("enroll", rig, "--site", "oslo", "--class", "a4000", *out, *options)

    def rigs(self) -> dict[str, RigRecord]:
        store = service.open_store(settings.load(self.path))
        try:
            return {record.rig: record for record in store.rigs()}
        finally:
            store.close()

    def agent_file(self, rig: str) -> Any:
        return yaml.safe_load((self.folder / "rigs" / rig / "agent.yaml").read_text())


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Office:
    return Office(tmp_path, capsys)


def test_a_rig_is_admitted_with_a_key_of_its_own(office: Office) -> None:
    code, said = office.enrols("rig-1", "--label", "row=a", "--label", "owner=ada")
    assert code == 0
    assert "next: list its GPUs and workloads in" in said
    record = office.rigs()["rig-1"]
    assert (record.site, record.rig_class, record.revoked) == ("oslo", "a4000", False)
    assert record.labels == {"row": "a", "owner": "ada"}
    secret = (office.folder / "rigs" / "rig-1" / "curve.key").read_text().strip()
    assert record.public_key == zeromq.public_key(secret)
    own = keys.load(office.folder / "state")
    document = office.agent_file("rig-1")
    assert document["order_key"] == own.signer.public_key
    assert document["link"]["zeromq"]["server_key"] == zeromq.public_key(own.curve_secret)
    assert document["link"]["zeromq"]["endpoint"] == "tcp://127.0.0.1:9701"
    assert secret not in said


def test_the_folder_is_for_its_owner_only_and_can_be_moved(office: Office) -> None:
    office.enrols("rig-1")
    folder = office.folder / "rigs" / "rig-1"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {
        "agent.yaml": 0o600,
        "curve.key": 0o600,
    }
    assert str(office.folder) not in (folder / "agent.yaml").read_text()


def test_rigs_may_be_told_another_address(office: Office) -> None:
    office.enrols("rig-1", "--endpoint", "tcp://farm.example:9701")
    assert office.agent_file("rig-1")["link"]["zeromq"]["endpoint"] == "tcp://farm.example:9701"


def test_over_mqtt_a_rig_has_a_password_and_the_broker_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ca.crt").write_text("certificates")
    mqtt = {"url": "mqtts://broker.example:8883", "ca_file": "ca.crt"}
    office = Office(tmp_path, capsys, link={"mqtt": mqtt})
    code, said = office.enrols("rig-1")
    assert code == 0
    assert "and tell the broker:\nmosquitto_passwd -b PASSWORD_FILE rig-1" in said
    link = office.agent_file("rig-1")["link"]["mqtt"]
    assert (link["url"], link["username"]) == ("mqtts://broker.example:8883", "rig-1")
    folder = tmp_path / "rigs" / "rig-1"
    password = (folder / link["password_file"]).read_text().strip()
    assert len(password) >= 32
    assert password not in said
    assert (folder / link["ca_file"]).read_text() == "certificates"
    assert office.rigs()["rig-1"].public_key == ""


def test_a_certificate_that_is_missing_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mqtt = {"url": "mqtts://broker.example:8883", "ca_file": "absent.crt"}
    office = Office(tmp_path, capsys, link={"mqtt": mqtt})
    code, said = office.enrols("rig-1")
    assert code == 2
    assert "the rig's files cannot be written" in said
    assert "absent.crt" in said
    assert office.rigs() == {}


@pytest.mark.parametrize(
    ("rig", "options", "message"),
    [
        ("rig-1", ("--site", "lima"), "site 'lima' is not in the farm's settings: oslo"),
        ("rig-1", ("--class", "a4O00"), "class 'a4O00' is not in the farm's settings: a4000"),
        ("rig-1", ("--label", "row"), "--label 'row': write KEY=VALUE"),
        ("rig/1", (), "rig name 'rig/1': use letters, digits, `-` and `_`, 1 to 64"),
        ("..", (), "rig name '..'"),
        ("#", (), "rig name '#'"),
    ],
)
def test_what_is_not_admitted(
    office: Office, rig: str, options: tuple[str, ...], message: str
) -> None:
    code, said = office.enrols(rig, *options)
    assert code == 2
    assert message in said
    assert office.rigs() == {}
    assert not (office.folder / "rigs").exists()


def test_a_rig_is_admitted_once_until_it_is_revoked(office: Office) -> None:
    office.enrols("rig-1")
    first = office.rigs()["rig-1"].public_key
    code, said = office.enrols("rig-1", "--out", str(office.folder / "again"))
    assert code == 2
    assert "enrolled already; `rigshift-controller revoke rig-1` first" in said
    assert office.does("revoke", "rig-1")[0] == 0
    assert office.rigs()["rig-1"].revoked
    code, _ = office.enrols("rig-1", "--out", str(office.folder / "again"))
    assert code == 0
    second = office.rigs()["rig-1"]
    assert not second.revoked
    assert second.public_key != first, "the old key stays worthless"


def test_a_folder_is_never_written_over(office: Office) -> None:
    (office.folder / "rigs" / "rig-1").mkdir(parents=True)
    code, said = office.enrols("rig-1")
    assert (code, "File exists; name another with --out" in said) == (2, True)
    assert office.rigs() == {}


def test_nobody_can_be_revoked_who_was_never_admitted(office: Office) -> None:
    code, said = office.does("revoke", "rig-9")
    assert (code, "rig 'rig-9' is not enrolled; `rigshift rigs` lists them" in said) == (2, True)


def test_an_example_in_the_file_shows_how_to_go_on(office: Office) -> None:
    office.enrols("rig-1")
    text = (office.folder / "rigs" / "rig-1" / "agent.yaml").read_text()
    example = yaml.safe_load(text.partition("# groups:")[2].replace("\n# ", "\n") or "")
    assert [workload["name"] for workload in example[0]["workloads"]] == ["etc", "llama"]
