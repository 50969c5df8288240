"""Runs the demo: builds the stage, starts the programs, watches, and adds it up."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from controller import service
from controller.cli.client import Client, ClientError
from controller.demo import cast as casts
from controller.demo import observer, scenario, screen, stage, summary
from controller.demo.cast import Cast
from controller.demo.chaos import Chaos
from controller.demo.observer import Observer
from controller.ports import StoreError
from controller.records import StoredOutcome
from wire.configfile import ConfigError

LOOK_S = 0.25
REPORT_S = 10.0
READY_S = 60.0
SETTLE_S = 30.0


class DemoError(Exception):
    """The demo cannot go on; the text says why and where to look."""


def run(args: argparse.Namespace) -> int:
    """The `demo` verb; the exit code."""
    console = Console(stderr=args.headless, highlight=False)
    try:
        with _folder(args.keep) as folder:
            done = _Demo(args, folder, console).play()
    except (ConfigError, StoreError, DemoError, OSError) as error:
        console.print(f"rigshift demo: {error}", markup=False)
        return 1
    _tell(done, args, console)
    healthy = done.double_occupancy == 0 and done.orders_lost == 0
    return 0 if healthy else 1


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="rigshift-demo-") as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise DemoError(f"{keep} is not empty; name a new directory with --keep")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.absolute()


class _Demo:
    def __init__(self, args: argparse.Namespace, folder: Path, console: Console) -> None:
        self._args = args
        self._console = console
        speed = args.speed or scenario.SPEED
        self._stage = stage.build(folder, args.rigs, speed, _broker(args))
        self._chaos = Chaos(random.Random(args.seed)) if args.chaos else None
        self._switch_s: float | None = None

    def play(self) -> summary.Summary:
        """From the first program to the sum."""
        self._console.print(
            f"starting a controller and {self._args.rigs} agents in {self._stage.folder} …"
        )
        with casts.playing(self._stage) as cast, contextlib.ExitStack() as stack:
            client = stack.enter_context(self._ready(cast))
            watch = Observer(self._stage, client)
            if self._args.headless:
                self._console.print(f"in another terminal:  {self._environment()}", soft_wrap=True)
            with contextlib.suppress(KeyboardInterrupt):
                self._watch(cast, watch)
            if self._args.svg:
                screen.save(self._draw(watch, cast), self._args.svg)
            self._settle(cast, watch)
            return self._sum(cast, watch)

    def _ready(self, cast: Cast) -> Client:
        """Wait until the controller answers."""
        url_file = self._stage.folder / "state" / "api.url"
        tokens = service.token_file(self._stage.settings)
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if not cast.alive(casts.CONTROLLER):
                break
            with contextlib.suppress(ClientError, OSError):
                client = Client.connect(url_file.read_text().strip(), tokens, None)
                client.get("groups", object)
                return client
            time.sleep(0.1)
        log = self._stage.log(casts.CONTROLLER).read_text(errors="replace")[-2000:]
        raise DemoError(f"the controller did not come up; its last words:\n{log}")

    def _watch(self, cast: Cast, watch: Observer) -> None:
        began = time.monotonic()
        reported = 0.0
        with self._live() as live:
            while not self._over(watch, time.monotonic() - began):
                passed = time.monotonic() - began
                cast.tend()
                if self._chaos is not None and (victim := self._chaos.strike(cast, passed)):
                    self._note(live, f"chaos: killed {victim}")
                watch.look()
                if live is not None:
                    live.update(self._draw(watch, cast))
                elif passed - reported >= REPORT_S:
                    reported = passed
                    self._console.print(_line(watch, cast, passed), markup=False)
                time.sleep(LOOK_S)

    def _live(self) -> contextlib.AbstractContextManager[Live | None]:
        if self._args.headless:
            return contextlib.nullcontext()
        return Live(console=self._console, auto_refresh=True, refresh_per_second=4)

    def _over(self, watch: Observer, passed_s: float) -> bool:
        if self._args.for_s is not None and passed_s >= self._args.for_s:
            return True
        return watch.price_time() >= scenario.END.timestamp()

    def _note(self, live: Live | None, text: str) -> None:
        if live is None:
            self._console.print(text, markup=False)

    def _draw(self, watch: Observer, cast: Cast) -> RenderableType:
        outcomes = self._outcomes()
        took = observer.switch_seconds(outcomes)
        self._switch_s = statistics.median(took) if took else None
        hint = (
            f"{screen.clocks(watch, self._switch_s)}\n"
            f"In another terminal:  {self._environment()}\n"
            "  rigshift status | explain rig-01 | switch rig-01 off --reason try --for 1m | "
            "plan | events        Ctrl-C ends the demo."
        )
        return screen.draw(watch, cast.deaths, watch.switch_ticks(outcomes), hint)

    def _environment(self) -> str:
        """What a shell needs to talk to this controller."""
        return (
            f"export RIGSHIFT_URL={_url(self._stage)} "
            f"RIGSHIFT_TOKEN_FILE={service.token_file(self._stage.settings)}"
        )

    def _outcomes(self) -> list[StoredOutcome]:
        store = service.open_store(self._stage.settings)
        try:
            return store.outcomes(limit=summary.OUTCOMES_MAX)
        finally:
            store.close()

    def _settle(self, cast: Cast, watch: Observer) -> None:
        """Let what has begun come to its end: killed programs back, switches done."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            cast.tend()
            watch.look()
            if self._settled(cast, watch):
                return
            time.sleep(LOOK_S)

    def _settled(self, cast: Cast, watch: Observer) -> bool:
        if watch.away or not all(cast.alive(name) for name in cast.parts):
            return False
        if len(watch.groups) < len(self._stage.rigs) * stage.GROUPS_PER_RIG:
            return False
        store = service.open_store(self._stage.settings)
        try:
            return summary.orders_lost(watch, store) == 0
        finally:
            store.close()

    def _sum(self, cast: Cast, watch: Observer) -> summary.Summary:
        urls = _targets(f"{_url(self._stage)}/sd")
        store = service.open_store(self._stage.settings)
        try:
            metrics = f"{_url(self._stage)}/metrics"
            return summary.summarize(watch, store, cast.deaths, (metrics, urls))
        finally:
            store.close()


def _broker(args: argparse.Namespace) -> stage.Broker | None:
    if not args.broker:
        return None
    passwords = {}
    if args.broker_passwords:
        for line in args.broker_passwords.read_text(encoding="utf-8").splitlines():
            user, _, password = line.strip().partition(" ")
            passwords[user] = password
    return stage.Broker(url=args.broker, ca_file=args.broker_ca, passwords=passwords)


def _url(where: stage.Stage) -> str:
    return (where.folder / "state" / "api.url").read_text(encoding="utf-8").strip()


def _targets(url: str) -> list[str]:
    """The agents' metrics, as the controller tells Prometheus."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own, on loopback
            groups = json.load(answer)
    except OSError:
        return []
    return sorted(f"http://{target}/metrics" for group in groups for target in group["targets"])


def _line(watch: Observer, cast: Cast, passed_s: float) -> str:
    phases = [line.phase for line in watch.groups]
    moving = sum(phase is not None and not phase.stable for phase in phases)
    return (
        f"{passed_s:5.0f} s  {watch.accounts.profit_usd:+8.3f} $  "
        f"{len(watch.groups)} groups, {moving} in a switch, {cast.deaths} deaths"
        + ("  (controller away)" if watch.away else "")
    )


def _tell(done: summary.Summary, args: argparse.Namespace, console: Console) -> None:
    text = msgspec.json.format(msgspec.json.encode(done)).decode()
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")
    if args.headless:
        print(text)
        return
    best = done.clairvoyant_usd
    console.print(
        f"\n{done.price_hours:g} price hours, {done.switches} switches "
        f"({', '.join(f'{count} {route}' for route, count in done.switches_by_route.items())})\n"
        f"profit ${done.profit_usd:.2f}; always mine ${done.always_mine_usd:.2f}, always infer "
        f"${done.always_infer_usd:.2f}, clairvoyant ${best:.2f}\n"
        f"{done.failed_switches} failed switches, {done.double_occupancy} GPUs in two hands, "
        f"{done.orders_lost} orders lost, {done.deaths} programs died",
        markup=False,
    )


if __name__ == "__main__":
    sys.exit("run `rigshift demo`")
