"""What a marketplace's answer says of one machine. What it does not say is ``None``, never free."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from agent.core.workload import Workload
from agent.drivers import paths
from agent.drivers.markets.row import Row, Sign

TEXT_CHARS_MAX = 120
"""Of an answer that is quoted in an error."""


class UnclearError(Exception):
    """The answer says nothing of the machine; one clause says what it says."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a machine on its marketplace."""

    rented: bool | None
    listed: bool | None
    online: bool | None
    gpus_rented: int | None
    earning_usd_per_h: float | None

    @property
    def free(self) -> bool:
        """Certainly without tenants, and offered to none."""
        return self.rented is False and self.listed is not True


def read(row: Row, workload: Workload, answer: bytes) -> Sight:
    """The sight that an answer gives. Raises `UnclearError`."""
    document = decoded(answer)
    if row.believed is not None and meant(document, row.believed) is not True:
        raise UnclearError(f"{row.title} answers {excerpt(answer)}")
    entry = _entry(row, workload, document)
    rentals = paths.first_number(entry, row.rentals)
    taken = _taken(row, entry)
    rented = None if rentals is None else rentals > 0 or bool(taken)
    if taken is None and rented is False:
        taken = 0
    return Sight(
        rented=rented,
        listed=None if row.listed is None else meant(entry, row.listed),
        online=None if row.online is None else meant(entry, row.online),
        gpus_rented=len(workload.gpus) if rented and row.whole else taken,
        earning_usd_per_h=paths.first_number(entry, row.earning),
    )


def decoded(answer: bytes) -> object:
    """A JSON document. Raises `UnclearError`."""
    try:
        return msgspec.json.decode(answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnclearError(f"the answer cannot be understood: {error}") from error


def meant(document: object, sign: Sign) -> bool | None:
    """Whether it says yes; ``None`` when it says nothing of it."""
    (value,) = paths.select(document, sign.path)
    if value is None:
        return None
    # In Python 1 is true and 0 false; here they are different words.
    return any(value == yes and type(value) is type(yes) for yes in sign.yes)


def excerpt(answer: bytes) -> str:
    """The beginning of an answer, for an error."""
    return repr(answer[:TEXT_CHARS_MAX].decode(errors="replace"))


def _entry(row: Row, workload: Workload, document: object) -> object:
    assert workload.market is not None, "it was checked"
    found = paths.select(document, row.entries) if row.entries else [document]
    for entry in found:
        if isinstance(entry, dict) and (
            not row.entry or str(entry.get(row.entry)) == workload.market.machine
        ):
            return entry
    raise UnclearError(f"{row.title} knows no machine {workload.market.machine} of this account")


def _taken(row: Row, entry: object) -> int | None:
    if row.gpus_rented:
        return paths.whole(paths.first_number(entry, (row.gpus_rented,)))
    words = paths.first_text(entry, (row.occupancy,)) if row.occupancy else None
    return None if words is None else sum(word not in row.idle for word in words.split())
