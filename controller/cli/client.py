"""The API as the command line sees it. No error of HTTP leaves this module untranslated."""

from __future__ import annotations

import ipaddress
import re
import ssl
import stat
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx
import msgspec

T = TypeVar("T")

TIMEOUT_S = 20.0
"""An answer takes milliseconds; a controller that needs longer is stuck."""

BAD_INPUT = 2
FAILED = 1


class ClientError(Exception):
    """A question without an answer; says what to do next."""

    def __init__(self, text: str, hint: str, exit_code: int = FAILED) -> None:
        super().__init__(text)
        self.hint = hint
        self.exit_code = exit_code


CONTROL = re.compile(rb"\\u00(?:0[0-8bcef]|1[0-9a-f]|7f|[89][0-9a-f])|\xc2[\x80-\x9f]|\x7f")
"""Control characters in JSON, but for tabs and new lines."""


class Problem(msgspec.Struct):
    """How the API words an error."""

    error: str
    hint: str


class Client:
    """Asks one controller."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @classmethod
    def connect(cls, url: str, token_file: Path | None, ca_file: Path | None) -> Client:
        """Prepare to ask the controller at `url`. Raises `ClientError`."""
        _check_url(url)
        token = _token(token_file) if token_file else ""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise ClientError(
                f"{ca_file}: no certificates can be read from it: {error}",
                "name a PEM file with --ca-file",
                BAD_INPUT,
            ) from error
        # The environment's proxies are for the web; the controller is on the farm's own network.
        http = httpx.Client(
            base_url=url, headers=headers, verify=context, timeout=TIMEOUT_S, trust_env=False
        )
        return cls(http)

    def get(self, path: str, kind: type[T], **query: str | int) -> T:
        """Ask. Raises `ClientError`."""
        return self._ask(kind, "GET", path, params=query)

    def post(self, path: str, kind: type[T], **body: Any) -> T:
        """Order. Raises `ClientError`."""
        return self._ask(kind, "POST", path, json=body)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def _ask(self, kind: type[T], method: str, path: str, **parts: Any) -> T:
        try:
            answer = self._http.request(method, f"/api/v1/{path}", **parts)
        except httpx.HTTPError as error:
            raise ClientError(
                f"the controller at {self._http.base_url} does not answer: {error}",
                "is it running (`systemctl status rigshift-controller`), and is --url right?",
            ) from error
        if not answer.is_success:
            raise _problem(answer)
        try:
            return msgspec.json.decode(_printable(answer.content), type=kind)
        except msgspec.MsgspecError as error:
            raise _stranger(answer) from error


def _printable(content: bytes) -> bytes:
    """Without control characters: a stolen rig's words must not steer the operator's terminal."""
    return CONTROL.sub(rb"\\ufffd", content)


def _problem(answer: httpx.Response) -> ClientError:
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.MsgspecError:
        return _stranger(answer)
    # What the operator can mend by other words is bad input; the rest is a failure.
    exit_code = BAD_INPUT if answer.status_code in (400, 401, 404, 413) else FAILED
    return ClientError(problem.error, problem.hint, exit_code)


def _stranger(answer: httpx.Response) -> ClientError:
    return ClientError(
        f"{answer.url} answered {answer.status_code}, but not as a rigshift controller does",
        "is --url right, and are `rigshift --version` and the controller's version the same?",
    )


def _check_url(text: str) -> None:
    """A token must not cross the network in the clear."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ClientError(
            f"--url {text!r}: {error}", "write https://host:port", BAD_INPUT
        ) from error
    if url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host)):
        return
    raise ClientError(
        f"--url {text!r} is neither https nor on this machine; it would show your token to others",
        "write https://host:port, or reach the controller through an SSH tunnel",
        BAD_INPUT,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(path: Path) -> str:
    """The secret in the file, written alone or as `operator: token`."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ClientError(
                f"{path}: others can read your token", f"run `chmod 600 {path}`", BAD_INPUT
            )
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(
            f"your token cannot be read: {error}",
            "name its file with --token-file or RIGSHIFT_TOKEN_FILE",
            BAD_INPUT,
        ) from error
    token = text.rpartition(":")[2].strip()
    if not token or len(token.split()) != 1:
        raise ClientError(f"{path}: holds no single token", "put one line in it", BAD_INPUT)
    return token
