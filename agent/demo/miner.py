"""Demo miner: speaks the part of XMRig's HTTP API that rigshift uses, and mines nothing.

Shares and hashrate are computed from the clock when somebody asks, so it costs nothing idle.
"""

from __future__ import annotations

import hmac
import sys
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus

from agent.demo import program
from agent.demo.http_server import Reply, Request

WINDOWS_S = (10, 60, 900)
"""Windows of XMRig's hashrates; each is null until it has passed."""

ALGORITHM = "kawpow"


class Miner:
    """What a miner says of itself after some time at work."""

    def __init__(
        self,
        *,
        token: str,
        hashrate_hps: float,
        start_s: float,
        share_interval_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = token
        self._hashrate_hps = hashrate_hps
        self._share_interval_s = share_interval_s
        self._clock = clock
        self._launched_s = clock()
        self._working_since_s: float | None = self._launched_s + start_s
        """None while paused."""
        self._worked_s = 0.0
        """Before the present stretch of work."""

    async def answer(self, request: Request) -> Reply:
        """Answer as XMRig does; without the token nothing."""
        refused = self._refuse(request)
        if refused is not None:
            return Reply.of({"status": refused, "error": refused.phrase}, refused)
        match request.method, request.path:
            case "GET", "/2/summary":
                return Reply.of(self.summary())
            case "POST", "/json_rpc":
                return self._call(request.document())
        return Reply.of({"status": 404, "error": "NOT_FOUND"}, HTTPStatus.NOT_FOUND)

    async def run(self) -> None:
        """Nothing: all is computed when asked."""

    async def finish(self) -> None:
        """Nothing is in progress that could be lost."""

    def summary(self) -> dict[str, object]:
        """`/2/summary`."""
        worked_s = self._work_s()
        shares = int(worked_s / self._share_interval_s)
        rates = [self._hashrate_hps if worked_s > 0 else None] + [
            self._hashrate_hps if worked_s >= window_s else None for window_s in WINDOWS_S[1:]
        ]
        uptime_s = int(self._clock() - self._launched_s)
        return {
            "id": "demo",
            "worker_id": "demo",
            "uptime": uptime_s,
            "restricted": True,
            "results": {
                "shares_good": shares,
                "shares_total": shares,
                "hashes_total": int(worked_s * self._hashrate_hps),
            },
            "algo": ALGORITHM,
            "connection": {
                "pool": "demo, no pool",
                "uptime": uptime_s,
                "accepted": shares,
                "rejected": 0,
                "algo": ALGORITHM,
            },
            "version": "0.0.0-demo",
            "kind": "miner",
            "ua": "rigshift demo miner (mines nothing)",
            "paused": self._working_since_s is None,
            "hashrate": {"total": rates, "highest": rates[0]},
        }

    def _work_s(self) -> float:
        if self._working_since_s is None:
            return self._worked_s
        return self._worked_s + max(0.0, self._clock() - self._working_since_s)

    def _call(self, document: dict[str, object]) -> Reply:
        method = document.get("method")
        if method == "pause" and self._working_since_s is not None:
            self._worked_s, self._working_since_s = self._work_s(), None
        elif method == "resume" and self._working_since_s is None:
            self._working_since_s = self._clock()
        elif method not in ("pause", "resume"):
            error = {"code": -32601, "message": "Method not found"}
            return Reply.of({"id": document.get("id"), "jsonrpc": "2.0", "error": error})
        result = {"status": "OK"}
        return Reply.of({"id": document.get("id"), "jsonrpc": "2.0", "result": result})

    def _refuse(self, request: Request) -> HTTPStatus | None:
        if not self._token:
            return None
        given = request.headers.get("authorization")
        if given is None:
            return HTTPStatus.UNAUTHORIZED
        wanted = f"Bearer {self._token}"
        same = hmac.compare_digest(given.encode(), wanted.encode())
        return None if same else HTTPStatus.FORBIDDEN


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo miner; returns the exit code."""
    parser = program.parser(
        "miner", "Demo workload: speaks a miner's API on simulated GPUs. It mines nothing."
    )
    add = parser.add_argument
    add("--token", default="", help="bearer token that its API asks for")
    add("--hashrate", type=program.positive, default=60e6, help="hashes per second it reports")
    add("--start-s", type=program.positive, default=2.0, help="seconds until it seems to hash")
    add("--share-interval-s", type=program.positive, default=5.0, help="seconds per share")
    options = parser.parse_args(arguments)
    if options.share_interval_s == 0:
        parser.error("--share-interval-s must be more than 0")
    miner = Miner(
        token=options.token,
        hashrate_hps=options.hashrate,
        start_s=options.start_s,
        share_interval_s=options.share_interval_s,
    )
    return program.main("miner", options, miner)


if __name__ == "__main__":
    sys.exit(main())
