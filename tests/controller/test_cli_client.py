"""What the command line makes of an answer before anybody reads it."""

from __future__ import annotations

import httpx

from controller.cli.client import Client


def test_words_of_a_stolen_rig_do_not_steer_the_terminal() -> None:
    said = {"reason": "\x1b[2J gone\x07 \x9b1m and\n a new line\t"}

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=said)

    transport = httpx.MockTransport(answer)
    client = Client(httpx.Client(base_url="http://127.0.0.1", transport=transport))
    with client:
        heard = client.get("status", dict[str, str])
    assert heard == {"reason": "\ufffd[2J gone\ufffd \ufffd1m and\n a new line\t"}
