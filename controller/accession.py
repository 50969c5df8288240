"""Which policy is in force when a controller starts: the one activated last, or a changed file.

A file that cannot be used never takes the place of a policy that can: it is told, and the last
good one stays.
"""

from __future__ import annotations

from controller import policyfile
from controller import settings as own
from controller.policies import activation
from controller.policyfile import Policy
from controller.ports import Store
from controller.records import CONFIGURATION, StoredPolicy
from controller.settings import Settings
from controller.store.limits import POLICIES_KEPT
from wire import logs
from wire.configfile import ConfigError

_REASON = "the controller's own file holds another policy than at the last start"


def in_force(settings: Settings, store: Store, now: float) -> Policy:
    """The policy to decide by.

    Raises:
        ConfigError: Neither the configured policy nor the one in force can be used.
        StoreError: A changed file could not be made durable.
    """
    history = store.policies(limit=POLICIES_KEPT)
    configured = _configured(settings, history)
    if configured is None or not _is_news(configured, history):
        return _restored(settings, history[0])
    try:
        old = _restored(settings, history[0]) if history else None
    except ConfigError:
        old = None  # What cannot be used any more is replaced all the same.
    activation(store, old, configured, now, CONFIGURATION, _REASON if history else "first start")
    return configured


def _configured(settings: Settings, history: list[StoredPolicy]) -> Policy | None:
    try:
        return own.policy(settings)
    except ConfigError as error:
        if not history:
            raise
        logs.get("policy").error(
            "configured policy refused", error=str(error), in_force=history[0].number
        )
        return None


def _is_news(configured: Policy, history: list[StoredPolicy]) -> bool:
    """Whether the file says something else than what is in force, and than at the last start."""
    last = next((one.digest for one in history if one.actor == CONFIGURATION), None)
    return not history or configured.digest not in (history[0].digest, last)


def _restored(settings: Settings, stored: StoredPolicy) -> Policy:
    name = f"policy {stored.number} in force"
    try:
        return policyfile.read(stored.text, name, settings.farm, settings.quotes)
    except ConfigError as error:
        raise ConfigError(
            f"{error}\nthe farm's settings have changed under it: mend them, or write another "
            "policy into the controller's file"
        ) from error
