"""`rigshift-controller`: run, check-config, enroll, revoke, feeds.

Exit codes: 0 ok, 1 failed, 2 bad input.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from controller import enrollment, service, settings
from controller.api.server import ServeError
from controller.core.model import RigRecord
from controller.feeds import assembly, catalogue, directory, inquiry
from controller.feeds.settings import FeedsSettings
from controller.ports import StoreError
from wire import logs
from wire.configfile import ConfigError
from wire.transport import LinkError


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script."""
    options = _parser().parse_args(argv)
    logs.configure(json=options.log_json, level=options.log_level)
    try:
        return int(options.verb(options))
    except ConfigError as error:
        print(f"rigshift-controller: {error}", file=sys.stderr)
        return 2
    except (StoreError, LinkError, ServeError) as error:
        print(f"rigshift-controller: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rigshift-controller", description=__doc__)
    version = importlib.metadata.version("rigshift")
    parser.add_argument("--version", action="version", version=f"rigshift {version}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, default=Path("/etc/rigshift/controller.yaml"))
    common.add_argument("--log-json", action="store_true", help="log lines as JSON")
    common.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"]
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_feeds(verbs.add_parser("feeds", help="look at price feeds"), common)
    run = verbs.add_parser("run", parents=[common], help="run the controller")
    run.set_defaults(verb=_run)
    check = verbs.add_parser("check-config", parents=[common], help="check the configuration")
    check.set_defaults(verb=_check)
    enroll = verbs.add_parser("enroll", parents=[common], help="admit a rig and make its keys")
    enroll.add_argument("rig", metavar="RIG")
    enroll.add_argument("--site", required=True, help="a site of the farm's settings")
    enroll.add_argument("--class", dest="rig_class", required=True, help="the rig's class")
    enroll.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    enroll.add_argument("--endpoint", default="", help="controller's address as the rig sees it")
    enroll.add_argument("--out", type=Path, help="folder to write (./RIG)")
    enroll.set_defaults(verb=_enroll)
    revoke = verbs.add_parser("revoke", parents=[common], help="admit a rig no longer")
    revoke.add_argument("rig", metavar="RIG")
    revoke.set_defaults(verb=_revoke)
    return parser


def _add_feeds(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    further = argparse.ArgumentParser(add_help=False)
    further.add_argument("--catalogue", action="append", type=Path, default=[], metavar="FILE")
    shown = verbs.add_parser("list", parents=[common, further], help="providers, or one of them")
    shown.add_argument("provider", nargs="?", help="all that it offers and needs")
    shown.set_defaults(verb=_list_feeds)
    tried = verbs.add_parser("try", parents=[common, further], help="ask one feed once")
    tried.add_argument("feed", metavar="NAME", help="a feed or series of the file, or a provider")
    tried.add_argument("given", nargs="*", metavar="KEY=VALUE", help="what a provider needs")
    tried.set_defaults(verb=_try_feed)


def _list_feeds(options: argparse.Namespace) -> int:
    known = catalogue.load(options.catalogue)
    if options.provider is None:
        lines = directory.overview(known)
    elif options.provider in known:
        lines = directory.page(options.provider, known[options.provider])
    else:
        names = ", ".join(sorted(known))
        raise ConfigError(f"provider {options.provider!r} is unknown; there are {names}")
    print("\n".join(lines))
    return 0


def _try_feed(options: argparse.Namespace) -> int:
    if options.given or options.feed in catalogue.load(options.catalogue):
        entry = inquiry.entry(options.feed, options.given)
        given = FeedsSettings(providers=(entry,), catalogues=tuple(options.catalogue))
        name = entry.series
    else:
        given, name = settings.load(options.config).feeds, options.feed
    answers = asyncio.run(inquiry.ask(name, given, clock=time.time))
    print("\n".join(line for said in answers for line in inquiry.told(said)))
    return 1 if answers[-1].fault else 0


def _run(options: argparse.Namespace) -> int:
    config = settings.load(options.config)
    asyncio.run(service.run(config))
    return 0


def _check(options: argparse.Namespace) -> int:
    config = settings.load(options.config)
    policy = settings.policy(config).settings
    print(
        f"{options.config}: good. {len(config.farm.sites)} sites, "
        f"{len(config.farm.earnings)} earnings, {len(config.quotes)} series, "
        f"{assembly.count(config.feeds)} feeds; "
        f"{len(policy.contracts)} contracts, {len(policy.desks)} desks, {len(policy.rules)} rules; "
        f"state in {config.state_dir}"
    )
    return 0


def _enroll(options: argparse.Namespace) -> int:
    config = settings.load(options.config)
    record = RigRecord(
        rig=options.rig,
        site=options.site,
        rig_class=options.rig_class,
        labels=_labels(options.label),
        public_key="",
    )
    store = service.open_store(config)
    try:
        folder = options.out or Path(options.rig)
        done = enrollment.enroll(config, store, record, folder, options.endpoint)
    finally:
        store.close()
    print(f"{options.rig} is enrolled; its configuration and keys are in {done.folder}/")
    print(f"next: list its GPUs and workloads in {done.folder}/agent.yaml, and copy it to the rig")
    if done.broker_note:
        print(f"and tell the broker:\n{done.broker_note}")
    return 0


def _labels(pairs: list[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise ConfigError(f"--label {pair!r}: write KEY=VALUE")
        labels[key] = value
    return labels


def _revoke(options: argparse.Namespace) -> int:
    config = settings.load(options.config)
    store = service.open_store(config)
    try:
        known = {record.rig: record for record in store.rigs()}.get(options.rig)
        if known is None:
            raise ConfigError(f"rig {options.rig!r} is not enrolled; `rigshift rigs` lists them")
        store.put_rig(replace(known, revoked=True))
    finally:
        store.close()
    print(f"{options.rig} is revoked; a running controller notices within seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
