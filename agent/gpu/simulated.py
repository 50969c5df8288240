"""Claims on simulated GPUs: which live processes use which simulated GPU.

For the demo and tests only; nothing here has to do with real GPUs. Each GPU is a directory with
one claim file per process, and a log that is written under a lock at every claim. The log is the
independent witness of whether two workloads ever shared a GPU: it must never be rewritten.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from agent.gpu import procfs

LOG = "occupancy.log"
_LOCK = "lock"
_CLAIM_SUFFIX = ".claim"
_DOUBLE = "double"


class Claim(msgspec.Struct, frozen=True):
    """One process on one simulated GPU."""

    pid: int
    started_ticks: int
    """With the pid it names the process; a pid alone may be another process by now."""
    workload: str
    memory_bytes: int
    power_w: float
    asleep: bool = False
    """It holds memory and does no work: that is no use of the GPU beside another's."""

    @property
    def live(self) -> bool:
        """Whether that very process still runs."""
        return procfs.started_ticks(self.pid) == self.started_ticks


def boot_time_s() -> float:
    """Seconds since the machine booted, suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def claim(
    simulated_dir: Path,
    uuids: Iterable[str],
    *,
    memory_bytes: int,
    power_w: float,
    workload: str,
    asleep: bool = False,
    clock: Callable[[], float] = boot_time_s,
) -> None:
    """Let this process use simulated GPUs from now on until it ends or releases them.

    A claim is never refused, as real GPUs refuse nothing either: a GPU that another live process
    uses gets a `double` line in its log.

    Args:
        simulated_dir: Directory of all simulated GPUs.
        uuids: GPUs to use.
        memory_bytes: Memory held on each of them.
        power_w: Watts drawn by each of them on top of standing still.
        workload: Name for the log.
        asleep: Whether it only holds memory.
        clock: Seconds for the log.
    """
    ticks = procfs.started_ticks(os.getpid())
    assert ticks is not None, "this process runs"
    mine = Claim(os.getpid(), ticks, workload, memory_bytes, power_w, asleep)
    for uuid in sorted(uuids):
        with _locked(simulated_dir / uuid) as gpu:
            others = [other for other in claims(simulated_dir, uuid) if other.pid != mine.pid]
            _sweep(gpu)
            _write(gpu, mine)
            how = "sleep" if asleep else "claim"
            _log(gpu, f"{clock():.3f} {how} pid={mine.pid} workload={workload}")
            for other in others if not asleep else ():
                if other.asleep:
                    continue
                _log(
                    gpu,
                    f"{clock():.3f} {_DOUBLE} pid={mine.pid} workload={workload} "
                    f"with_pid={other.pid} with_workload={other.workload}",
                )


def release(
    simulated_dir: Path, uuids: Iterable[str], *, clock: Callable[[], float] = boot_time_s
) -> None:
    """Give simulated GPUs back; harmless for GPUs that this process does not hold."""
    for uuid in sorted(uuids):
        with _locked(simulated_dir / uuid) as gpu:
            mine = gpu / f"{os.getpid()}{_CLAIM_SUFFIX}"
            if mine.exists():
                mine.unlink()
                _log(gpu, f"{clock():.3f} release pid={os.getpid()}")


def claims(simulated_dir: Path, uuid: str) -> tuple[Claim, ...]:
    """Live claims on one simulated GPU, by pid."""
    found = (_read(path) for path in (simulated_dir / uuid).glob(f"*{_CLAIM_SUFFIX}"))
    live = (claim for claim in found if claim is not None and claim.live)
    return tuple(sorted(live, key=lambda claim: claim.pid))


def double_occupancies(simulated_dir: Path) -> int:
    """How often a simulated GPU was claimed while another live process held it."""
    logs = simulated_dir.glob(f"*/{LOG}")
    return sum(
        line.split()[1] == _DOUBLE
        for log in logs
        for line in log.read_text(encoding="utf-8").splitlines()
    )


@contextmanager
def _locked(gpu: Path) -> Iterator[Path]:
    """Hold one GPU's directory; looking who is there and entering must be one act."""
    gpu.mkdir(parents=True, exist_ok=True)
    with (gpu / _LOCK).open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield gpu


def _sweep(gpu: Path) -> None:
    """Remove claims of processes that have ended."""
    for path in gpu.glob(f"*{_CLAIM_SUFFIX}"):
        found = _read(path)
        if found is None or not found.live:
            path.unlink(missing_ok=True)


def _write(gpu: Path, claim: Claim) -> None:
    """Whole or not at all: a reader holds no lock."""
    unfinished = gpu / f"{claim.pid}.unfinished"
    unfinished.write_bytes(msgspec.json.encode(claim))
    unfinished.replace(gpu / f"{claim.pid}{_CLAIM_SUFFIX}")


def _read(path: Path) -> Claim | None:
    """A claim that was withdrawn meanwhile does not count."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Claim)
    except (OSError, msgspec.DecodeError):
        return None


def _log(gpu: Path, line: str) -> None:
    with (gpu / LOG).open("a", encoding="utf-8") as log:
        log.write(f"{line}\n")
