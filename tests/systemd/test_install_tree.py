"""The agent put into the tree of an image, which needs root but no machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import yaml

from agent.__main__ import main
from wire import zeromq
from wire.signing import Signer


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Image:
    """An image's tree, an enrolment, and what the program says."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.tree = folder / "tree"
        self.enrolment = folder / "rig-1"
        self.config = self.tree / "etc/rigshift/agent.yaml"
        self._capsys = capsys
        (self.tree / "etc/polkit-1/rules.d").mkdir(parents=True)
        self.enrolment.mkdir()
        keys = zeromq.generate_keys()
        link = {
            "endpoint": "tcp://controller.example:9701",
            "server_key": keys.public,
            "secret_key_file": "curve.key",
        }
        document = {
            "rig": "rig-1",
            "state_dir": "/var/lib/rigshift/rig-1",
            "order_key": Signer(os.urandom(32)).public_key,
            "link": {"zeromq": link},
            "groups": [],
        }
        (self.enrolment / "agent.yaml").write_text(yaml.safe_dump(document))
        (self.enrolment / "curve.key").write_text(keys.secret)

    def says(self, *arguments: str) -> tuple[int, list[str], str]:
        """Exit code, lines of standard output, standard error."""
        code = main([*arguments, "--root", str(self.tree)])
        told = self._capsys.readouterr()
        return code, told.out.splitlines(), told.err

    def files(self) -> set[str]:
        return {str(p.relative_to(self.tree)) for p in self.tree.rglob("*rigshift*")}


@pytest.fixture
def image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Image:
    return Image(tmp_path, capsys)


def test_a_dry_run_shows_the_same_and_does_nothing(image: Image) -> None:
    install = ("install", "--enrolment", str(image.enrolment))
    code, foreseen, _ = image.says(*install, "--dry-run")
    assert (code, image.files()) == (0, set())
    assert foreseen[-1].startswith("dry run, nothing was done: ")
    code, done, _ = image.says(*install)
    assert done[:-1] == foreseen[:-1]
    assert image.config.stat().st_mode & 0o777 == 0o640
    key = (image.tree / "etc/rigshift/curve.key").stat()
    assert (key.st_mode & 0o777, key.st_uid == 0) == (0o600, False)


def test_it_goes_on_once_the_farm_has_listed_its_gpus(image: Image) -> None:
    _, said, _ = image.says("install", "--enrolment", str(image.enrolment / "agent.yaml"))
    assert any("groups: none; list the GPUs" in line for line in said)
    etc = {"name": "etc", "kind": "mining", "driver": "xmrig", "unit": "my-miner.service"}
    groups = [{"name": "g0", "gpus": ["GPU-a"], "workloads": [etc]}]
    image.config.write_text(image.config.read_text().replace("groups: []", f"groups: {groups}"))
    _, said, _ = image.says("install", "--enrolment", str(image.enrolment))
    assert said == [
        "update  /etc/polkit-1/rules.d/50-rigshift.rules  root:root 0644",
        "keep    /etc/rigshift/agent.yaml: `groups` are yours, the rest is as enrolled",
        f"run     systemctl --root={image.tree} enable rigshift-agent.service",
        "done: 2 changes",
    ]
    assert image.says("install")[1] == ["nothing to change"]
    code, said, _ = image.says("uninstall", "--purge")
    assert code == 0
    assert "remove  /etc/rigshift" in said
    assert image.files() == set()


def test_what_is_no_enrolment_is_bad_input(image: Image) -> None:
    code, out, err = image.says("install", "--enrolment", str(image.tree / "absent"))
    assert (code, out) == (2, [])
    assert "no such file or folder; name what `rigshift-controller enroll` wrote" in err
    code, out, err = image.says("install")
    assert (code, out) == (2, [])
    assert "/etc/rigshift/agent.yaml: no such file; name what" in err


def test_what_stands_in_the_way_is_told_before_anything_is_done(image: Image) -> None:
    (image.tree / "etc/systemd").write_text("a file")
    code, out, err = image.says("install", "--enrolment", str(image.enrolment))
    assert (code, out) == (2, [])
    assert "cannot be looked at: Not a directory" in err


def test_a_step_that_fails_ends_it(image: Image) -> None:
    (image.tree / "etc/group").mkdir()
    code, out, err = image.says("install", "--enrolment", str(image.enrolment))
    assert code == 1
    assert out[-1].startswith("run     systemd-sysusers")
    assert f"rigshift-agent: systemd-sysusers --root={image.tree} rigshift.conf: " in err
    assert not image.config.exists()
