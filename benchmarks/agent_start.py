"""From the start of an agent's process to its first report at the controller.

`python -m benchmarks.agent_start --count 10` prints wall clock and processor time of each start,
with eight GPU groups over ZeroMQ, simulated GPUs and empty journals. On a busy machine the wall
clock measures the others; `nice -n -10` keeps them off.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import yaml

from wire import codec, messages, zeromq
from wire.signing import Signer

GROUPS = 8
PATIENCE_S = 60.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5, help="starts (5)")
    for _ in range(parser.parse_args().count):
        with tempfile.TemporaryDirectory() as folder:
            wall_s, processor_s = asyncio.run(asyncio.wait_for(_start(Path(folder)), PATIENCE_S))
        load = os.getloadavg()[0]
        print(f"{wall_s:.2f} s, {processor_s:.2f} s of processor time; load {load:.1f}", flush=True)


async def _start(folder: Path) -> tuple[float, float]:
    controller, rig = zeromq.generate_keys(), zeromq.generate_keys()
    link = await zeromq.open_fleet(
        listen="tcp://127.0.0.1:*", secret_key=controller.secret, rig_of=lambda _: "rig-1"
    )
    (folder / "curve.key").touch(0o600)
    (folder / "curve.key").write_text(rig.secret)
    way = {"endpoint": link.endpoint, "server_key": controller.public}
    (folder / "agent.yaml").write_text(yaml.safe_dump(_settings(folder, way)))
    begun_s = time.monotonic()
    agent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", "run", "--config", str(folder / "agent.yaml")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    while not isinstance(codec.decode_up((await link.receive()).frame).body, messages.StateReport):
        pass
    spent = time.monotonic() - begun_s, _processor_s(agent.pid)
    agent.terminate()
    await agent.wait()
    await link.close()
    return spent


def _settings(folder: Path, way: dict[str, str]) -> dict[str, object]:
    workload = {"name": "etc", "kind": "mining", "driver": "xmrig", "command": ["/bin/true"]}
    return {
        "rig": "rig-1",
        "state_dir": str(folder / "state"),
        "order_key": Signer(os.urandom(32)).public_key,
        "link": {"zeromq": {**way, "secret_key_file": "curve.key"}},
        "gpu": {"source": "simulated", "simulated_dir": str(folder / "gpus")},
        "metrics": {"port": 0},
        "groups": [
            {"name": f"g{number}", "gpus": [f"GPU-{number}"], "workloads": [workload]}
            for number in range(GROUPS)
        ],
    }


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
