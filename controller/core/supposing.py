"""What if: other prices, another power cap, a contract less. Values and arithmetic, no decision."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.core import reasons
from controller.core.farm import FarmSettings
from controller.core.model import Quote, QuoteState
from controller.core.policy.settings import PolicySettings

_PRICE = re.compile(r"(?P<series>[^=*+]+?)(?P<act>\*=|\+=|-=|=)(?P<number>[-+.\deE]+)")
_CAP = re.compile(r"(?P<site>[^=]+)=(?:(?P<none>none)|(?P<number>\d+(?:\.\d+)?)(?P<unit>W|kW|MW))")
_WATTS = {"W": 1.0, "kW": 1e3, "MW": 1e6}


class SuppositionError(ValueError):
    """A text that supposes nothing; says how it is written, or what is known."""


@dataclass(frozen=True, slots=True)
class Price:
    """A series with another value."""

    series: str
    act: str
    """`=` gives the value, `*=`, `+=` and `-=` change what it is now."""
    number: float

    def __str__(self) -> str:
        return f"{self.series} {self.act} {self.number:g}"

    def of(self, value: float | None) -> float | None:
        """The other value; none where there is nothing to change."""
        if self.act == "=":
            return self.number
        if value is None:
            return None
        if self.act == "*=":
            return value * self.number
        return value + self.number if self.act == "+=" else value - self.number


@dataclass(frozen=True, slots=True)
class Cap:
    """A site with another power cap."""

    site: str
    cap_w: float | None
    """None: no cap."""

    def __str__(self) -> str:
        return f"site {self.site} may draw " + (
            "as much as it wants" if self.cap_w is None else reasons.kilowatts(self.cap_w)
        )


@dataclass(frozen=True, slots=True)
class Supposition:
    """Everything that is supposed at once."""

    prices: tuple[Price, ...] = ()
    caps: tuple[Cap, ...] = ()
    without: tuple[str, ...] = ()
    """Contracts that are taken away, by name."""

    def told(self) -> tuple[str, ...]:
        """In words, one sentence each."""
        gone = (f"contract {name} is gone" for name in self.without)
        return (*map(str, self.prices), *map(str, self.caps), *gone)


def price(text: str) -> Price:
    """Read `power.oslo=0.3`, `mining.etc*=1.5`, `power.oslo+=0.05`. Raises `SuppositionError`."""
    match = _PRICE.fullmatch(text.strip())
    try:
        number = float(match["number"]) if match else math.nan
    except ValueError:
        number = math.nan
    if match is None or not math.isfinite(number):
        raise SuppositionError(
            f"{text!r} supposes no price; write power.oslo=0.30, power.oslo*=1.5, power.oslo+=0.05"
        )
    return Price(match["series"].strip(), match["act"], number)


def cap(text: str) -> Cap:
    """Read `oslo=40kW` or `oslo=none`. Raises `SuppositionError`."""
    match = _CAP.fullmatch(text.strip())
    if match is None:
        raise SuppositionError(
            f"{text!r} supposes no power cap; write oslo=40kW, oslo=1.2MW or oslo=none"
        )
    cap_w = None if match["none"] else float(match["number"]) * _WATTS[match["unit"]]
    return Cap(match["site"].strip(), cap_w)


def problems(
    supposed: Supposition,
    quotes: Mapping[str, Quote],
    farm: FarmSettings,
    policy: PolicySettings,
) -> Iterator[str]:
    """What of it means nothing here, and what is known instead."""
    if not supposed.told():
        yield "nothing is supposed; name a price, a power cap or a contract"
    for one in supposed.prices:
        quote = quotes.get(one.series)
        if quote is None:
            yield f"no series {one.series!r}; known are {_list(quotes)}"
        elif quote.value is None and one.act != "=":
            yield f"{one.series} has no price now that could change; give one with {one.series}=…"
    sites = [site.name for site in farm.sites]
    for each in supposed.caps:
        if each.site not in sites:
            yield f"no site {each.site!r}; known are {_list(sites)}"
    contracts = [contract.name for contract in policy.contracts]
    for name in supposed.without:
        if name not in contracts:
            yield f"no contract {name!r}; known are {_list(contracts)}"


def quotes(known: Mapping[str, Quote], supposed: Supposition) -> Mapping[str, Quote]:
    """The quotes with the supposed prices, trusted."""
    changed = dict(known)
    for one in supposed.prices:
        quote = changed[one.series]
        changed[one.series] = replace(
            quote, value=one.of(quote.value), state=QuoteState.FRESH, reason="supposed"
        )
    return changed


def farm(known: FarmSettings, supposed: Supposition) -> FarmSettings:
    """The farm with the supposed power caps."""
    caps = {each.site: each.cap_w for each in supposed.caps}
    return replace(
        known,
        sites=tuple(
            replace(site, power_cap_w=caps[site.name]) if site.name in caps else site
            for site in known.sites
        ),
    )


def policy(known: PolicySettings, supposed: Supposition) -> PolicySettings:
    """The policy without the contracts that are taken away."""
    left = tuple(one for one in known.contracts if one.name not in supposed.without)
    return replace(known, contracts=left)


def unforeseen(known: FarmSettings, supposed: Supposition) -> frozenset[str]:
    """Sites whose coming day nobody has learnt under these prices: there the price lasts."""
    changed = {one.series for one in supposed.prices}
    return frozenset(
        site.name for site in known.sites if changed & {site.power, site.demand_groups}
    )


def _list(names: Sequence[str] | Mapping[str, Quote]) -> str:
    return ", ".join(sorted(names)) or "none"
