"""A meter's mean draw, interval by interval, from samples that may have gaps. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

SEEN_RATIO_MIN = 0.5
"""An interval of which less was seen says nothing."""

GAP_S_MAX = 300.0
"""After a longer silence nobody knows what was drawn meanwhile."""


@dataclass(frozen=True, slots=True)
class Meter:
    """The interval that is passing."""

    begun_at: float
    at: float
    """When it was looked at last."""
    watt_s: float = 0.0
    seen_s: float = 0.0

    def mean_w(self, interval_s: float) -> float | None:
        """Mean draw of the interval; none: too little of it was seen."""
        if self.seen_s < SEEN_RATIO_MIN * interval_s:
            return None
        return self.watt_s / self.seen_s


def looked(
    meter: Meter, power_w: float, now: float, begun_at: float, interval_s: float
) -> tuple[Meter, float | None]:
    """The meter after a look, and the mean draw of the interval that ended since, if any.

    Args:
        meter: As it was at the last look.
        power_w: What has been drawn since.
        now: Instant of the look.
        begun_at: Beginning of the interval that `now` lies in.
        interval_s: How long intervals are.
    """
    known = 0.0 <= now - meter.at <= GAP_S_MAX
    if begun_at == meter.begun_at:
        return (_more(meter, power_w, now) if known else replace(meter, at=now)), None
    whole = _more(meter, power_w, min(now, meter.begun_at + interval_s)) if known else meter
    fresh = Meter(begun_at, max(begun_at, meter.at) if known else now)
    return _more(fresh, power_w, now), whole.mean_w(interval_s)


def _more(meter: Meter, power_w: float, until: float) -> Meter:
    passed_s = max(0.0, until - meter.at)
    return replace(
        meter, at=until, watt_s=meter.watt_s + power_w * passed_s, seen_s=meter.seen_s + passed_s
    )
