"""The collector: a process of its own that looks at GPUs and writes what it sees.

It exists to be killed: a hung driver call cannot be cancelled, so it must never run in the
process that holds the command channel. One thread calls the driver; the main thread listens, and
tells when that thread does not come back.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from agent.gpu import pipe
from agent.gpu.source import Source, SourceError

BEAT_S = 1.0
"""How often the main thread looks whether a driver call hangs; shorter hangs are not told."""

ASKS_MAX = 64
"""Requests waiting for the driver thread; more are dropped and time out at the asker's."""

_CHUNK_BYTES = 64 * 1024


class Collector:
    """Looks at a source's GPUs at two rhythms, and at once when asked."""

    def __init__(
        self, source: Source, options: pipe.Options, output: int, clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._options = options
        self._output = output
        self._clock = clock
        self._asks: queue.Queue[pipe.Ask] = queue.Queue(ASKS_MAX)
        self._writing = threading.Lock()

    def serve(self, requests: int) -> None:
        """Work until the descriptor `requests` ends or no GPU can be looked at."""
        looker = threading.Thread(target=self._look_on, name="driver", daemon=True)
        looker.start()
        unread = b""
        while looker.is_alive():
            if select.select([requests], [], [], BEAT_S)[0]:
                chunk = os.read(requests, _CHUNK_BYTES)
                *lines, unread = (unread + chunk).split(b"\n")
                if not chunk or len(unread) > pipe.LINE_BYTES_MAX:
                    return
                for line in lines:
                    self._take(line)
            self._tell_if_stuck()

    def _take(self, line: bytes) -> None:
        with contextlib.suppress(queue.Full):
            self._asks.put_nowait(pipe.decode_ask(line))

    def _tell_if_stuck(self) -> None:
        doing = self._source.doing
        if doing is not None and self._clock() - doing.since_s >= BEAT_S:
            self._send(pipe.Stuck(doing.call, self._clock() - doing.since_s, doing.gpu))

    def _look_on(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # The agent has gone; so does this process.
            try:
                self._source.open()
                self._look_for_ever()
            except SourceError as error:
                self._send(pipe.Blind(str(error)))

    def _look_for_ever(self) -> None:
        # The interval counts from the end of a look: a slow driver is never asked without a rest.
        fast_at = slow_at = self._clock()
        while True:
            now = self._clock()
            if now < fast_at:
                self._answer_one(fast_at - now)
                continue
            slow = now >= slow_at
            self._send(pipe.Look(self._source.look(slow=slow)))
            fast_at = self._clock() + self._options.fast_interval_s
            if slow:
                slow_at = self._clock() + self._options.slow_interval_s

    def _answer_one(self, wait_s: float) -> None:
        try:
            ask = self._asks.get(timeout=wait_s)
        except queue.Empty:
            return
        self._send(pipe.Answer(ask.request, self._source.occupancy(ask.gpus)))

    def _send(self, message: pipe.Message) -> None:
        line = memoryview(pipe.encode(message))
        with self._writing:
            while line:
                line = line[os.write(self._output, line) :]


def source_of(options: pipe.Options) -> Source:
    """The source that the options name."""
    # A rig has one kind of GPUs; what the other needs would cost memory for as long as it runs.
    if options.source == "simulated":
        from agent.gpu.simulated_source import SimulatedSource  # noqa: PLC0415

        assert options.simulated_dir is not None, "settings demand it"
        return SimulatedSource(Path(options.simulated_dir), options.gpus, time.monotonic)
    from agent.gpu.nvml_source import NvmlSource  # noqa: PLC0415

    return NvmlSource(options.gpus, time.monotonic, options.avoided)


def main() -> None:
    """Serve on standard input and output with the options given as JSON."""
    options = msgspec.json.decode(sys.argv[1], type=pipe.Options)
    collector = Collector(source_of(options), options, sys.stdout.fileno(), time.monotonic)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        collector.serve(sys.stdin.fileno())
    # Leaving in an orderly way would unload a driver that may be in a call that never ends.
    os._exit(0)


if __name__ == "__main__":
    main()
