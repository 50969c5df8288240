"""The file tree of a small Debian with the agent installed, made once and kept in `.cache/`."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "systemd"

SUITE = "bookworm"
PYTHON = "3.11"
"""Python of that suite."""

PACKAGES = "systemd,systemd-sysv,dbus,libpam-systemd,polkitd,python3,procps"
GLIBCS = ("2014", "_2_17", "_2_26", "_2_28", "_2_34")
"""Wheels that run there, by the C library that they ask for."""

SCRIPTS = {"rigshift-agent": "agent.__main__", "rigshift-gpu-helper": "agent.helper.__main__"}
"""Console scripts of a rig, by the module of their `main`."""

MINUTES_5_S = 300


def tool(name: str) -> str:
    """A program for root, which need not be in the PATH. Fails with what to install."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert found is not None, f"{name} is missing: run `make system`"
    assert os.geteuid() == 0, (
        "a machine with a systemd of its own can only be booted by root: run these tests as root"
    )
    return found


def debian() -> Path:
    """The tree without the agent."""
    key = _key(SUITE, PACKAGES)
    return _made(f"debian-{key}", _bootstrap)


def site() -> Path:
    """What the agent needs of Python packages, from its lock."""
    lock = ROOT / "requirements" / "agent.txt"
    return _made(f"site-{_key(PYTHON, lock.read_text())}", _install_dependencies)


def install(tree: Path) -> None:
    """Install the checkout's agent at `/opt/rigshift`, as a virtual environment."""
    home = tree / "opt" / "rigshift"
    packages = home / "lib" / f"python{PYTHON}" / "site-packages"
    subprocess.run(
        ["chroot", tree, "python3", "-m", "venv", "--without-pip", "/opt/rigshift"], check=True
    )
    shutil.copytree(site(), packages, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        _pip("wheel", "--no-build-isolation", "--wheel-dir", name, str(_source(Path(name) / "src")))
        (wheel,) = Path(name).glob("*.whl")
        _pip("install", "--no-compile", "--target", str(packages), str(wheel))
    for name, module in SCRIPTS.items():
        script = home / "bin" / name
        script.write_text(
            f"#!/opt/rigshift/bin/python\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        )
        script.chmod(0o755)


def _source(folder: Path) -> Path:
    """A clean copy: building in the checkout would leave and take up what lies in `build/`."""
    for name in ("agent", "controller", "wire"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    return folder


def _bootstrap(tree: Path) -> None:
    command = [tool("debootstrap"), "--variant=minbase", f"--include={PACKAGES}", SUITE, str(tree)]
    log = CACHE / "debootstrap.log"
    with log.open("wb") as output:
        done = subprocess.run(
            command, stdout=output, stderr=output, timeout=MINUTES_5_S, check=False
        )
    assert done.returncode == 0, f"debootstrap failed, see {log}: {log.read_text()[-2000:]}"
    shutil.rmtree(tree / "var" / "cache" / "apt" / "archives")


def _install_dependencies(folder: Path) -> None:
    machine = platform.machine()
    platforms = [f"--platform=manylinux{glibc}_{machine}" for glibc in GLIBCS]
    _pip(
        *("install", "--no-compile", "--target", str(folder), "--only-binary=:all:"),
        *("--implementation", "cp", "--python-version", PYTHON, *platforms),
        *("--require-hashes", "--requirement", str(ROOT / "requirements" / "agent.txt")),
    )


def _pip(verb: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", verb, "--quiet", "--no-deps", *arguments],
        check=True,
        timeout=MINUTES_5_S,
    )


def _made(name: str, make: Callable[[Path], None]) -> Path:
    """Whole or not at all: a test that was interrupted leaves nothing that looks finished."""
    kept = CACHE / name
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            fresh = Path(folder) / name
            make(fresh)
            fresh.rename(kept)
    return kept


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
