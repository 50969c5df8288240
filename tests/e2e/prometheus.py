"""A real Prometheus, of Debian's package, over a configuration that a test has written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.demo import stage


def tool(name: str) -> str:
    """A program of Debian's package `prometheus`."""
    path = shutil.which(name)
    assert path is not None, f"{name} is missing: apt-get install prometheus"
    return path


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """Prometheus at work by `folder/prometheus.yml`; yields its URL, at once."""
    port = next(stage.free_ports(1))
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                tool("prometheus"),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
