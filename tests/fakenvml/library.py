"""Builds the fake driver library and writes its script."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "nvml.c"


def build(directory: Path, *defines: str) -> Path:
    """Compile `libnvidia-ml.so.1` into a directory and return the directory."""
    compiler = shutil.which("cc")
    assert compiler is not None, "these tests need a C compiler: install gcc"
    subprocess.run(
        [
            compiler,
            *("-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"),
            "-Wl,-soname,libnvidia-ml.so.1",
            *(f"-D{define}" for define in defines),
            *("-o", str(directory / "libnvidia-ml.so.1"), str(SOURCE)),
        ],
        check=True,
    )
    return directory


@dataclass(frozen=True)
class FakeDriver:
    """A built library and the script that it follows."""

    library_dir: Path
    script: Path

    def does(self, *lines: str) -> None:
        """Replace the script, in one step, as the library reads it on every call."""
        unfinished = self.script.with_suffix(".new")
        unfinished.write_text("".join(f"{line}\n" for line in lines))
        unfinished.replace(self.script)
