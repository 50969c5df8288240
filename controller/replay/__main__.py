"""Plays every policy over scenarios at every cost and prints one Markdown table: `make replay`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from controller.core.timing.policies import DEFAULT, POLICIES
from controller.replay import page, run
from controller.replay.report import ImpossibleError, PolicyResult, Report
from controller.replay.settings import COSTS
from wire.configfile import ConfigError

OTHERS = tuple(name for name in POLICIES if name != DEFAULT)
HEADS = (
    "Scenario",
    "Cost",
    "Perfect foresight, $",
    *OTHERS,
    f"**{DEFAULT}**",
    "misses, ¢/GPU-day",
    "switches/group-day",
    "worst week",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; exit code 2: a scenario cannot be used, 1: wrong accounts."""
    parser = argparse.ArgumentParser(prog="python -m controller.replay", description=__doc__)
    parser.add_argument("scenario", type=Path, nargs="+", metavar="SCENARIO.yaml")
    parser.add_argument("--policy", action="append", choices=POLICIES, help="only these")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write a page for each row there"
    )
    args = parser.parse_args(argv)
    policies = tuple(dict.fromkeys([DEFAULT, *(args.policy or OTHERS)]))
    try:
        for line in _table(args.scenario, policies, args.report):
            print(line, flush=True)
    except (ConfigError, ImpossibleError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    return 0


def _table(scenarios: Sequence[Path], policies: Sequence[str], pages: Path | None) -> Iterator[str]:
    """Lines of the table as they are known: a row for each scenario and cost, and the means."""
    yield _line(HEADS)
    yield _line(["---", "---"] + ["---:"] * (len(HEADS) - 2))
    reports = []
    for path in scenarios:
        for cost in COSTS:
            done = run.replay(path, cost=cost, policies=policies)
            if pages is not None:
                page.write(pages, done)
            reports.append(done.report)
            yield _row(done.report)
    yield _line(["mean", "", "", *_means(reports), "", "", ""])


def _row(report: Report) -> str:
    results = {result.name: result for result in report.policies}
    default = results[DEFAULT]
    return _line(
        [
            report.scenario,
            report.cost,
            f"{report.clairvoyant_usd:.2f}",
            *(_share(results.get(name)) for name in OTHERS),
            f"**{_share(default)}**",
            f"{default.regret_cents_per_gpu_day:.1f}",
            f"{default.switches_per_group_day:.1f}",
            "" if default.worst_week_share is None else _percent(default.worst_week_share),
        ]
    )


def _means(reports: Sequence[Report]) -> Iterator[str]:
    """Mean share of each policy over all rows."""
    for name in (*OTHERS, DEFAULT):
        shares = [
            result.share_of_clairvoyant
            for report in reports
            for result in report.policies
            if result.name == name and result.share_of_clairvoyant is not None
        ]
        yield _percent(fmean(shares)) if shares else ""


def _share(result: PolicyResult | None) -> str:
    if result is None or result.share_of_clairvoyant is None:
        return ""
    return _percent(result.share_of_clairvoyant)


def _percent(share: float) -> str:
    return f"{share * 100:.2f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
