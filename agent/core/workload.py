"""What may run on a GPU group: one entry of the rig's own file, nothing from the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from agent.core.container import Container
from agent.core.pins import Pins
from agent.core.route import Route
from wire.model import Kind

NEUTRAL = "neutral"
"""The GPU profile of a card as it was sold."""


PARK_MEMORY_BYTES = 1_536 * 1024 * 1024
"""0.5 to 1.3 GB are reported for servers that sleep."""


class Park(StrEnum):
    """How an inference server makes room for another workload without ending."""

    SLEEP_1 = "sleep-1"
    """Its weights go to host memory: slow to fall asleep, quick to wake."""
    SLEEP_2 = "sleep-2"
    """Its weights are dropped: quick to fall asleep, read from disk to wake."""

    @property
    def level(self) -> int:
        """As vLLM counts."""
        return 1 if self is Park.SLEEP_1 else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Longest time for each phase, in seconds; past it the phase has failed."""

    prepare_s: float = 600.0
    """Checks before anything is stopped, such as program and API port."""
    drain_s: float = 120.0
    """Requests in progress; past it they are cut off."""
    park_s: float = 60.0
    """With `park`: to fall asleep; past it, the server is stopped. Waking belongs to `start_s`."""
    stop_s: float = 20.0
    """TERM, at half of it KILL, then the kernel giving the process up; past it: quarantine."""
    vacate_s: float = 20.0
    """No process left on the GPUs, and their memory freed; past it: quarantine."""
    tune_s: float = 30.0
    """The GPU profile applied and read back; before inference also `gpu.checker`."""
    start_s: float = 60.0
    """From the start of the process until it exists; loading a model belongs to `probe_s`."""
    probe_s: float = 900.0
    """From start until proven: model load, or DAG build and first share."""

    @property
    def grace_s(self) -> float:
        """Seconds of `stop_s` for the workload's own way out; the rest is for what KILL takes."""
        return self.stop_s / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """When a started workload counts as proven."""

    hold_s: float = 30.0
    """It must look ready for this long without a break."""
    hashrate_min_hps: float = 0.0
    """Mining: hashrate floor, hashes per second."""
    shares_min: int = 1
    """Mining: accepted shares since the start."""
    prompt: str = "Say ready."
    """Inference: prompt sent to the server; empty: its health is enough."""
    expect: str = ""
    """Inference: text that the answer must contain; empty: any answer."""
    expect_pattern: str = ""
    """Inference: regular expression (Python's) that must match somewhere in the answer."""
    max_tokens: int = 32
    """Inference: longest answer to the prompt; short, not to delay paying work."""
    prompt_timeout_s: float = 60.0
    """Inference: for the answer; a fresh server may still compile kernels, or load the model."""
    recheck_s: float = 300.0
    """Inference: while it runs the answer, if one is expected, is looked at so often; 0: never."""

    @property
    def knows_the_answer(self) -> bool:
        """Whether an answer can be wrong."""
        return bool(self.prompt and (self.expect or self.expect_pattern))


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """`command` driver only: programs of the rig's owner that handle what they start themselves.

    Each is a program and its arguments, without a shell, and gets the workload's environment.
    """

    start: tuple[str, ...] = ()
    """Starts it and returns; 0: started."""
    stop: tuple[str, ...] = ()
    """Ends all of it; it counts as stopped when `status` says so."""
    status: tuple[str, ...] = ()
    """0: it runs, 3: it does not; anything else: that cannot be told."""
    stats: tuple[str, ...] = ()
    """May be missing: prints its figures as a JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """The machine on a marketplace, for drivers that offer it there for rent."""

    machine: str
    """What the marketplace calls this machine: its id at vast.ai, its name at clore.ai."""
    token_file: str = ""
    """Absolute path of a file (mode 0600) with the API key; Akash needs none."""
    url: str = ""
    """Where its API is, if elsewhere than usual; Akash: the provider, `https://HOST:8443`."""
    ca_file: str = ""
    """PEM certificates to trust at `url`; none: the system's."""
    listing: dict[str, float | bool | str] = field(default_factory=dict)
    """Sent with the offer as it is, such as prices; the names are the marketplace's own."""
    list_command: tuple[str, ...] = ()
    """Akash: program and arguments that let new tenants in, such as `kubectl uncordon NODE`."""
    unlist_command: tuple[str, ...] = ()
    """Akash: program and arguments that keep new tenants out, such as `kubectl cordon NODE`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A workload as the rig's own configuration allows it on one group."""

    name: str
    """Unique on the group; what assignments call it."""
    kind: Kind
    """What it earns by; the controller's settings must agree."""
    driver: str
    """Short name of the driver: `trex`, `vllm`, `hive`, …; docs/workloads.md has them all."""
    group: str = ""
    """Filled in from the group it stands under."""
    gpus: tuple[str, ...] = ()
    """Filled in from the group it stands under: UUIDs."""
    command: tuple[str, ...] = ()
    """Program and arguments; no shell. `{gpus}` stands for the UUIDs joined by commas."""
    unit: str = ""
    """Instead of `command`: an installed systemd unit, such as `my-miner.service`."""
    container: Container | None = None
    """Instead of `command`: an image that Docker or Podman runs."""
    commands: Commands = field(default_factory=Commands)
    environment: dict[str, str] = field(default_factory=dict)
    """For `command`, `commands` and `container`: added to a minimal environment.

    The agent itself sets `CUDA_VISIBLE_DEVICES`, but not in a container, which sees its GPUs only.
    """
    api_url: str = ""
    """Base URL of its own API, on loopback: `http://127.0.0.1:PORT`, or `tcp://…` where so made."""
    api_token: str = ""
    """Bearer token of that API."""
    metrics_url: str = ""
    """Inference: base URL of its metrics, on loopback, where they have a port of their own."""
    stats_script: str = ""
    """`hive` driver only: absolute path of the miner's `h-stats.sh`."""
    market: Market | None = None
    """Marketplaces only: the machine there; such a workload has no `command` and no `unit`."""
    model: str = ""
    """Inference: model name to ask for."""
    route: Route | None = None
    """How the farm's load balancer learns whether it takes requests; none: it is not told."""
    park: Park | None = None
    """vLLM only, one workload of a group: `sleep-1` or `sleep-2` instead of ending."""
    park_memory_bytes: int = PARK_MEMORY_BYTES
    """With `park`: what it may hold on each GPU while it sleeps; with more it is stopped."""
    profile: str = NEUTRAL
    """GPU profile it runs under: `neutral`, or one of `gpu.profiles_file`."""
    power_w: float | None = None
    """Nameplate watts of the group at the wall, for a controller that has no better figure."""
    pins: Pins = field(default_factory=Pins)
    """Wallets and pools that it may use; none: those of the whole rig."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    readiness: Readiness = field(default_factory=Readiness)
    script: dict[str, float | bool | str] = field(default_factory=dict)
    """Scripted driver only: how it shall behave, see `agent.drivers.script`."""

    @property
    def key(self) -> str:
        """Names it on the whole rig: `group.workload`."""
        return f"{self.group}.{self.name}"
