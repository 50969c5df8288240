"""The worker: a process that carries out one request and ends.

It exists to be killed: a hung driver call cannot be cancelled. One thread calls the driver; the
main thread tells which call has not come back, and leaves.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from pathlib import Path

import msgspec

from agent.gpu.nvml import Nvml, NvmlError
from agent.gpu.tuning import pipe
from agent.gpu.tuning.nvml_board import NvmlBoard
from agent.gpu.tuning.order import Open, carry_out
from agent.gpu.tuning.simulated_board import SimulatedBoard


class Worker:
    """Answers one request, in time or with the reason why not."""

    def __init__(self, options: pipe.Options) -> None:
        self._options = options
        self._driver = Nvml(time.monotonic)
        self._answers: queue.Queue[pipe.Answer] = queue.Queue()

    def answer(self, request: pipe.Request) -> pipe.Answer:
        """The answer, within `Options.work_s` seconds."""
        work = threading.Thread(target=self._work, args=(request,), name="driver", daemon=True)
        work.start()
        try:
            return self._answers.get(timeout=self._options.work_s)
        except queue.Empty:
            doing = self._driver.doing
            call = "the driver" if doing is None else doing.call
            return pipe.Refused(f"{call} did not come back within {self._options.work_s:g} s")

    def _work(self, request: pipe.Request) -> None:
        try:
            opened = self._opened()
        except NvmlError as error:
            self._answers.put(pipe.Refused(error.advice))
            return
        file = Path(self._options.profiles_file)
        self._answers.put(carry_out(request, opened, file, time.sleep))

    def _opened(self) -> Open:
        """Raises `NvmlError` when the driver cannot be opened."""
        if self._options.simulated_dir is not None:
            folder = Path(self._options.simulated_dir)
            return lambda uuid: SimulatedBoard(folder, uuid)
        self._driver.call("nvmlInit")
        return lambda uuid: NvmlBoard(self._driver, uuid)


def leave_with_asker() -> None:
    """End as soon as standard input does: who asked has died, and somebody else may ask by now."""
    while os.read(sys.stdin.fileno(), pipe.LINE_BYTES_MAX):
        pass
    os._exit(1)


def main() -> None:
    """Read a request from standard input, with the options given as JSON, and answer it."""
    options = msgspec.json.decode(sys.argv[1], type=pipe.Options)
    line = sys.stdin.buffer.readline(pipe.LINE_BYTES_MAX)
    threading.Thread(target=leave_with_asker, daemon=True).start()
    try:
        answer = Worker(options).answer(pipe.decode_request(line))
    except ValueError as error:
        answer = pipe.Refused(f"no request: {error}")
    os.write(sys.stdout.fileno(), pipe.encode(answer))
    # Leaving in an orderly way would unload a driver that may be in a call that never ends.
    os._exit(0)


if __name__ == "__main__":
    main()
