"""What a source has said, kept and picked from: the part that files, topics and servers share."""

from __future__ import annotations

from collections.abc import Callable

from controller.core.model import Observation
from controller.feeds import documents, fields
from controller.feeds.curves import Curve
from controller.feeds.fields import Field, Fields
from controller.feeds.settings import AnswerSettings
from controller.feeds.units import Rates
from controller.ports import FeedError
from wire import logs


class Answers:
    """The newest usable answer of one source.

    A price that was announced for hours to come holds for them even if the source falls silent;
    everything else counts only as long as the newest answer holds it.
    """

    def __init__(
        self,
        settings: AnswerSettings,
        rates: Rates | None,
        *,
        quote: Callable[[str], str],
    ) -> None:
        """Compile what is to be taken; `quote` makes foreign texts fit to be shown.

        Raises:
            ConfigError: A path, a unit or a rate cannot be used.
        """
        self._settings = settings
        self._fields = Fields(settings, rates)
        self._quote = quote
        self._known: dict[str, tuple[Field, Curve]] = {}
        self._fault = ""
        self._told = ""
        self._log = logs.get("feed", feed=settings.name)

    def take(self, document: object, now: float) -> None:
        """Put a new answer in place of the one before."""
        found, faults = self._fields.read(document, now)
        self._forget()
        self._known |= {field.series: (field, curve) for field, curve in found}
        self._fault = "; ".join(error.told(self._quote) for error in faults)

    def fail(self, fault: str) -> None:
        """There was no new answer; `fault` is one sentence."""
        self._forget()
        self._fault = fault

    def said(self, now: float, shown: str) -> list[Observation]:
        """What holds at `now`. Raises `FeedError`; `shown` is the source for people."""
        found, silent = fields.said(self._known, self._settings.name, now)
        clauses = (self._fault, *(error.told(self._quote) for error in silent))
        fault = "; ".join(clause for clause in clauses if clause)
        if not found:
            raise FeedError(fault if fault.startswith(shown) else f"{shown}: {fault or 'silent'}")
        if fault and fault != self._told:
            self._log.warning("feed not whole", error=fault)
        self._told = fault
        return found

    def announced(self, now: float) -> dict[str, list[tuple[float, float]]]:
        """By series: instants to come and their prices, at today's rate of exchange."""
        return {
            series: coming
            for series, (field, curve) in self._known.items()
            if (coming := field.announced(curve, now))
        }

    def _forget(self) -> None:
        """All but what was announced with its own end."""
        self._known = {series: kept for series, kept in self._known.items() if kept[1].announced}


def parse(settings: AnswerSettings, body: bytes, kind: str = "") -> object:
    """The document that an answer holds; `kind` is its media type, if it has one.

    Raises:
        documents.DocumentError: It is something else, or a refusal.
    """
    try:
        return documents.parse(body, settings.format, delimiter=settings.delimiter)
    except documents.DocumentError as error:
        title = documents.TITLES[settings.format]
        if kind and error.what == f"broken {title}" and title.lower() not in kind:
            raise documents.DocumentError(f"{kind}, not {title}") from None
        raise
