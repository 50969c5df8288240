"""What prices are trusted, what demand charges come to, and what was earned beside the forecast."""

from __future__ import annotations

import math
from collections.abc import Iterator

from controller.core.model import QuoteState
from controller.metrics.gauge import Gauge, gauge
from controller.metrics.snapshot import ControllerSnapshot
from wire.model import OFF


def charges(now: ControllerSnapshot) -> Iterator[Gauge]:
    """Where each demand charge stands."""
    labels = ["site", "charge"]
    help_ = "Highest mean draw of the billing month so far, the rest of the building included."
    peaks = {(bill.site, bill.charge): bill.peak_w for bill in now.bills}
    yield gauge("demand_peak_watts", help_, labels, peaks)
    help_ = "US dollars that the demand charge of the billing month comes to so far."
    yield gauge("demand_charge_usd", help_, labels, {(b.site, b.charge): b.usd for b in now.bills})


def quotes(now: ControllerSnapshot) -> Iterator[Gauge]:
    """By series."""
    help_ = "Trusted value of a series, in its own unit; absent when there is none."
    yield gauge("quote_value", help_, ["series"], {(q.series,): q.value for q in now.quotes})
    ages = {
        (quote.series,): None if quote.state is QuoteState.MISSING else now.now - quote.at
        for quote in now.quotes
    }
    yield gauge("quote_age_seconds", "Age of a series' newest value.", ["series"], ages)
    states = {
        (quote.series, state.value): quote.state is state
        for quote in now.quotes
        for state in QuoteState
    }
    help_ = "1 for how far a series can be trusted, 0 for each other state."
    yield gauge("quote_state", help_, ["series", "state"], states)


def books(now: ControllerSnapshot) -> Iterator[Gauge]:
    """By desk, and by class and workload."""
    results = sorted(now.results.items())
    expected = {(desk,): one.expected_usd for desk, one in results}
    realized = {(desk,): one.realized_usd for desk, one in results}
    help_ = "Net US dollars forecast for the time since the start; falls with losses."
    yield gauge("forecast_expected_usd", help_, [], {(): math.fsum(expected.values())})
    help_ = "Net US dollars earned in the same time; falls with losses."
    yield gauge("forecast_realized_usd", help_, [], {(): math.fsum(realized.values())})
    yield gauge("desk_expected_usd", "The forecast by desk.", ["desk"], expected)
    yield gauge("desk_realized_usd", "What was earned by desk.", ["desk"], realized)
    help_ = "Earned beyond the forecast as part of it; absent where no gain was forecast."
    yield gauge("forecast_error_ratio", help_, ["desk"], {(d,): r.error_ratio for d, r in results})
    shares = {(rig_class, name or OFF): s for (rig_class, name), s in now.delivered.items()}
    help_ = "Part of its income that a workload is reckoned with on a class; absent: all of it."
    yield gauge("delivered_ratio", help_, ["rig_class", "workload"], shares)
