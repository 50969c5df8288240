"""The catalogue for people: which providers there are, and what each needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from controller.feeds import provided, units
from controller.feeds.catalogue import Catalogue, Parameter, Provider, Value

SERIES = "my.series"
"""Stands in examples for the operator's own name."""


def overview(known: Catalogue) -> Iterator[str]:
    """One line for each provider and each of its values."""
    for name, provider in sorted(known.items()):
        yield f"{name}: {provider.about}"
        width = max(map(len, provider.values))
        for title, value in provider.values.items():
            taken = ", ".join(_title(*each) for each in _wanted(provider, value))
            yield f"  {title:<{width}}  {_unit(value.unit)}{f'  ({taken})' if taken else ''}"


def page(name: str, provider: Provider) -> Iterator[str]:
    """Everything about one provider, with lines to copy into `controller.yaml`."""
    yield f"{name}: {provider.about}"
    yield f"described at {provider.documentation}"
    yield f"limit: {provider.limit}; asked every {provider.interval_s:g} s"
    yield ""
    yield "values:"
    for title, value in provider.values.items():
        yield f"  {title}: {value.about}; {_unit(value.unit)}"
    wanted = {name: each for v in provider.values.values() for name, each in _wanted(provider, v)}
    if wanted:
        yield ""
        yield "parameters:"
        yield from (f"  {_title(each, said)}: {_about(said)}" for each, said in wanted.items())
    yield ""
    yield from _example(name, provider)


def _example(name: str, provider: Provider) -> Iterator[str]:
    title, value = next(iter(provider.values.items()))
    parts = [f"provider: {name}", f"series: {SERIES}"]
    if len(provider.values) > 1:
        parts.append(f"value: {title}")
    given = [
        f"{each}: {_placeholder(said)}"
        for each, said in _wanted(provider, value)
        if said.default is None and not said.optional
    ]
    if given:
        parts.append(f"parameters: {{{', '.join(given)}}}")
    if units.KNOWN.get(value.unit, units.Unit("")).currency:
        parts.append("rate_usd: my.rate")
    yield "in controller.yaml:"
    yield "  feeds:"
    yield "    providers:"
    yield f"      - {{{', '.join(parts)}}}"
    yield "  quotes:"
    canonical = units.KNOWN[value.unit].canonical if value.unit in units.KNOWN else "…"
    yield (
        f"    {SERIES}: {{unit: {canonical}, stale_after_s: {value.stale_after_s:g}, "
        f"cautious: {value.cautious}, min: …, max: …}}"
    )


def _wanted(provider: Provider, value: Value) -> Sequence[tuple[str, Parameter]]:
    return list(provided.wanted_by(provider, value).items())


def _title(name: str, parameter: Parameter) -> str:
    marks = "secret, " * parameter.secret + "optional" * parameter.optional
    if parameter.default is not None:
        marks = f"else {parameter.default}"
    return f"{name} [{marks.rstrip(', ')}]" if marks else name


def _about(parameter: Parameter) -> str:
    if parameter.choices:
        return f"{parameter.about}: {', '.join(parameter.choices)}"
    return f"{parameter.about}{f', e.g. {parameter.example}' if parameter.example else ''}"


def _placeholder(parameter: Parameter) -> str:
    if parameter.secret:
        return "{file: PATH}"
    return next(iter(parameter.choices), "") or parameter.example or "…"


def _unit(unit: str) -> str:
    """What a value comes as, and what it becomes."""
    known = units.KNOWN.get(unit)
    if known is None:
        return "a unit of your choice"
    needs = f" at a rate of {known.currency}" if known.currency else ""
    return unit if known.canonical == unit else f"{unit}, as {known.canonical}{needs}"
