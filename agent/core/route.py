"""The rig's own word on how the farm's load balancer learns whether a workload takes requests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """A request to the load balancer's own API; any status of success confirms it."""

    url: str
    """Where to send it; with a token `https://…`, unless it is on this machine."""
    method: str = "POST"
    """`GET`, `POST`, `PUT`, `PATCH` or `DELETE`."""
    body: str = ""
    """Sent as JSON, as it stands."""
    token_file: str = ""
    """Absolute path of a file (mode 0600) with a bearer token."""
    ca_file: str = ""
    """Absolute path of PEM certificates to trust; empty: the system's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One deed that closes or opens a route: exactly one of these keys."""

    http: HttpCall | None = None
    command: tuple[str, ...] = ()
    """Program and arguments; no shell. Exit code 0 confirms it."""
    create: str = ""
    """Absolute path of a file to create; what it holds stays as it is."""
    remove: str = ""
    """Absolute path of a file to remove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How the farm's load balancer learns whether a workload takes requests."""

    close: Hook
    """Send nothing more; may be done when it is closed already."""
    open: Hook
    """Send requests again; may be done when it is open already."""
    timeout_s: float = 5.0
    """For one deed."""
    settle_s: float = 2.0
    """How long requests may still come after closing, above all while a file waits to be seen."""
