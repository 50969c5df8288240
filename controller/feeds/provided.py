"""Turns "this series from that provider" into a feed over HTTP, or says what is missing.

Entries that ask the same are asked once, and feeds of one provider share its limit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from string import Template

from controller.feeds.catalogue import Catalogue, Parameter, Provider, Value
from controller.feeds.settings import (
    FieldSettings,
    HttpFeedSettings,
    LoginSettings,
    ProviderFeedSettings,
    Text,
)
from wire.configfile import ConfigError


def feeds(entries: Iterable[ProviderFeedSettings], known: Catalogue) -> list[HttpFeedSettings]:
    """The feeds that the entries come to.

    Raises:
        ConfigError: A provider, a value or a parameter is unknown, missing or malformed.
    """
    merged: list[tuple[str, bool, HttpFeedSettings]] = []
    for entry in entries:
        made = feed(entry, known)
        fixed = entry.interval_s is not None
        for index, (provider, paced, other) in enumerate(merged):
            if _asks_the_same(other, made):
                joined = replace(
                    other,
                    fields=(*other.fields, *made.fields),
                    interval_s=min(other.interval_s, made.interval_s),
                )
                merged[index] = (provider, paced or fixed, joined)
                break
        else:
            merged.append((entry.provider, fixed, made))
    count = Counter(provider for provider, _, _ in merged)
    return [
        each if fixed else replace(each, interval_s=each.interval_s * count[provider])
        for provider, fixed, each in merged
    ]


def feed(entry: ProviderFeedSettings, known: Catalogue) -> HttpFeedSettings:
    """The feed of one entry. Raises `ConfigError`."""
    where = f"provider {entry.provider} for {entry.series}"
    provider = known.get(entry.provider)
    if provider is None:
        names = ", ".join(sorted(known))
        raise ConfigError(f"provider {entry.provider!r} is unknown; there are {names}")
    name = entry.value or next(iter(provider.values))
    value = provider.values.get(name)
    if value is None:
        names = ", ".join(provider.values)
        raise ConfigError(f"{where}: value {name!r} is unknown; there are {names}")
    texts, secrets = _parameters(entry, provider, value, where)
    filled, absent = _Filling(texts, secrets), set(provider.parameters) - {*texts, *secrets}
    return HttpFeedSettings(
        name=f"{entry.provider}/{entry.series}",
        url=filled.text(provider.url),
        query=filled.values(provider.query, absent),
        headers=filled.values(provider.headers, absent),
        body=filled.text(provider.body),
        login=_login(provider, filled),
        moments=provider.moments,
        format=provider.format,
        delimiter=provider.delimiter,
        decimal_comma=provider.decimal_comma,
        expect={filled.text(path): filled.text(text) for path, text in provider.expect.items()},
        interval_s=_interval_s(entry, provider, where),
        timeout_s=provider.timeout_s,
        bytes_max=provider.bytes_max,
        fields=(_field(entry, value, filled),),
    )


def value(entry: ProviderFeedSettings, known: Catalogue) -> Value:
    """The value that a valid entry means."""
    values = known[entry.provider].values
    return values[entry.value or next(iter(values))]


class _Filling:
    """Puts parameters in their places."""

    def __init__(self, texts: Mapping[str, str], secrets: Mapping[str, Text]) -> None:
        self._texts = texts
        self._secrets = secrets

    def text(self, template: str) -> str:
        """Parameters in place; moments stay for the moment of asking."""
        return Template(template).safe_substitute(self._texts)

    def values(self, templates: Mapping[str, str], absent: set[str]) -> dict[str, Text]:
        """Headers or query items; without those that name what is `absent`."""
        return {
            name: self._value(template)
            for name, template in templates.items()
            if not _named(template) & absent
        }

    def _value(self, template: str) -> Text:
        for name in _named(template) & set(self._secrets):
            prefix = template.removesuffix(f"${{{name}}}")
            return replace(self._secrets[name], prefix=prefix)
        return Text(value=self.text(template))


def _named(*templates: str) -> set[str]:
    return {name for text in templates for name in re.findall(r"\$\{(\w+)\}", text)}


def _parameters(
    entry: ProviderFeedSettings, provider: Provider, value: Value, where: str
) -> tuple[dict[str, str], dict[str, Text]]:
    """Plain parameters as they are sent, and secrets. Raises `ConfigError`."""
    wanted = wanted_by(provider, value)
    for name in entry.parameters:
        if name not in wanted:
            allowed = ", ".join(wanted) or "none"
            raise ConfigError(f"{where}: parameter {name!r} is unknown; it takes: {allowed}")
    texts, secrets = dict(value.parameters), {}
    for name, parameter in wanted.items():
        given = entry.parameters.get(name, parameter.default)
        if given is None:
            if not parameter.optional:
                raise ConfigError(f"{where}: parameter {name!r} is missing: {_about(parameter)}")
        elif parameter.secret:
            secrets[name] = _secret(name, given, where)
        else:
            texts[name] = _text(name, parameter, given, where)
    return texts, secrets


def wanted_by(provider: Provider, value: Value) -> dict[str, Parameter]:
    """The parameters that this value depends on and does not settle itself."""
    texts = (provider.url, provider.body, *provider.query.values(), *provider.headers.values())
    expected = (text for pair in provider.expect.items() for text in pair)
    own = (text for each in fields(FieldSettings) if type(text := getattr(value, each.name)) is str)
    form = provider.login.form.values() if provider.login else ()
    named = _named(*texts, *expected, *own, *form)
    return {
        name: parameter
        for name, parameter in provider.parameters.items()
        if name in named and name not in value.parameters
    }


def _secret(name: str, given: str | float | Text, where: str) -> Text:
    if not isinstance(given, Text) or given.value is not None:
        what = "write {file: PATH} or {env: NAME}, not the secret itself"
        raise ConfigError(f"{where}: parameter {name!r} is secret; {what}")
    return given


def _text(name: str, parameter: Parameter, given: str | float | Text, where: str) -> str:
    if isinstance(given, Text):
        raise ConfigError(f"{where}: parameter {name!r} is no secret; write it plainly")
    text = str(given)
    if parameter.choices and text not in parameter.choices:
        choices = ", ".join(parameter.choices)
        raise ConfigError(f"{where}: parameter {name!r}: {text!r} is none of {choices}")
    if not parameter.choices and not re.fullmatch(parameter.pattern, text):
        raise ConfigError(f"{where}: parameter {name!r}: {text!r} is not {_about(parameter)}")
    return parameter.choices.get(text, text)


def _about(parameter: Parameter) -> str:
    choices = ", ".join(parameter.choices)
    example = f"; one of {choices}" if choices else f", e.g. {parameter.example}"
    return f"{parameter.about}{example if choices or parameter.example else ''}"


def _login(provider: Provider, filled: _Filling) -> LoginSettings | None:
    if provider.login is None:
        return None
    return LoginSettings(
        url=provider.login.url,
        form=filled.values(provider.login.form, set()),
        token_path=provider.login.token_path,
        lifetime_s=provider.login.lifetime_s,
    )


def _interval_s(entry: ProviderFeedSettings, provider: Provider, where: str) -> float:
    least_s = provider.interval_min_s or provider.interval_s
    if entry.interval_s is None:
        return provider.interval_s
    if not entry.interval_s >= least_s:
        limit = f"{least_s:g} s or more ({provider.limit})"
        raise ConfigError(
            f"{where}: interval_s: {entry.interval_s:g} is too often; ask every {limit}"
        )
    return entry.interval_s


def _field(entry: ProviderFeedSettings, value: Value, filled: _Filling) -> FieldSettings:
    given = {each.name: getattr(value, each.name) for each in fields(FieldSettings)}
    texts = {name: filled.text(text) for name, text in given.items() if type(text) is str}
    own = {
        "series": entry.series,
        "rate_usd": entry.rate_usd,
        "scale": value.scale * entry.scale,
    }
    return FieldSettings(**{**given, **texts, **own})


def _asks_the_same(one: HttpFeedSettings, other: HttpFeedSettings) -> bool:
    same = replace(other, name=one.name, fields=one.fields, interval_s=one.interval_s)
    taken = {each.series for each in one.fields}
    return one == same and not taken & {each.series for each in other.fields}
