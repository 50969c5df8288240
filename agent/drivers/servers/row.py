"""What is known of one inference server: how to ask it, how to let it finish."""

from __future__ import annotations

from dataclasses import dataclass

from agent.drivers.servers.load import Signal
from agent.drivers.servers.nap import Nap
from agent.drivers.servers.prompt import Body, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server's API."""

    driver: str
    """Short name, as workloads have it."""
    title: str
    """What its makers call it."""
    health: str
    """Answers with success once requests can be served."""
    signals: tuple[Signal, ...]
    """Ways to tell how busy it is; the first that answers counts."""
    prompts: tuple[Prompt, ...]
    """Ways to ask it; those that it does not know are passed over."""
    quiesce: str = ""
    """Path to post to before waiting, so that it admits nothing new or lets its model go."""
    quiesce_body: Body | None = None
    resume: str = ""
    """Path to post to when it shall take work again; empty: it does so by itself."""
    metrics_apart: bool = False
    """Its metrics have a port of their own, so the workload needs `metrics_url`."""
    finish_option: str = ""
    """Option that says for how many seconds requests may finish after SIGTERM."""
    nap: Nap | None = None
    """How it leaves the GPU memory and stays alive, if it can."""
    needs: str = ""
    """What it needs on its command line, for people."""
