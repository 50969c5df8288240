"""A miner's stand-in that takes any arguments and can be turned to another pool through its API.

Speaks as much of XMRig's API as the driver reads, and its request for a new configuration. It mines
nothing.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

POOL = "pool.example:3333"


class Api(BaseHTTPRequestHandler):
    pool = POOL

    def do_GET(self) -> None:
        body = {"connection": {"pool": Api.pool}, "results": {"shares_good": 1}, "algo": "x"}
        self._answer(json.dumps({**body, "hashrate": {"total": [9.0]}}).encode())

    def do_PUT(self) -> None:
        length = int(self.headers["Content-Length"])
        Api.pool = json.loads(self.rfile.read(length))["pools"][0]["url"]
        self._answer(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(sys.argv[sys.argv.index("--http-port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), Api).serve_forever()
