"""A container registry on loopback that holds one image, for tests of fetching; read-only."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REPOSITORY = "miners/one"


class Registry:
    """Its blobs and manifests, by digest, and the manifest by the tag `1` too."""

    def __init__(self, layer_tar: bytes) -> None:
        layer = gzip.compress(layer_tar, mtime=0)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/program"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer_tar)]},
        }
        packed = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _described("application/vnd.oci.image.config.v1+json", packed),
            "layers": [_described("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
        }
        top = json.dumps(manifest).encode()
        self.digest = _digest(top)
        self.content = {"1": top, self.digest: top, _digest(packed): packed, _digest(layer): layer}

    @contextmanager
    def serving(self, port: int) -> Iterator[None]:
        """Answer at this port."""
        content = self.content

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.path.rpartition("/")[2]
                found = content.get(wanted) if "/v2/miners" in self.path else b"{}"
                kind = MANIFEST if "/manifests/" in self.path else "application/octet-stream"
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(found or b"")))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(found or b"")

            do_HEAD = do_GET  # noqa: N815 - the base's name

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
            thread = Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


def _described(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
