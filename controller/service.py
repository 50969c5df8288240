"""Puts a controller together from its settings and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, closing
from pathlib import Path

from controller import keys
from controller.api import app as api
from controller.api import auth, server
from controller.connection import connected
from controller.fleet import Fleet
from controller.metrics.exposition import Exposition
from controller.parts import Controller
from controller.settings import Settings
from controller.statements import Statements
from controller.store.sql import SqlStore
from wire import logs, statedir
from wire.configfile import ConfigError

OPERATOR = "operator"
"""Whose token is made when there is none."""

STORE = "controller.db"


def open_store(settings: Settings) -> SqlStore:
    """The controller's memory. Raises `StoreError`, `ConfigError`."""
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{settings.state_dir}: {error.strerror}; mend `state_dir`") from error
    return SqlStore.open(settings.state_dir / STORE)


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        ConfigError: Keys, tokens or a feed cannot be used as configured.
        StoreError: The store cannot be opened.
        LinkError: The rigs' address cannot be bound, or the broker's is malformed.
        ServeError: The API's address cannot be used.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(statedir.claimed(settings.state_dir))
        store = open_store(settings)
        stack.callback(store.close)
        own = keys.load(settings.state_dir)
        inventory: dict[str, str] = {}
        link = await stack.enter_async_context(connected(settings, own, inventory))
        controller = Controller(settings, store, link, own)
        controller.fleet.on_inventory = lambda: _by_key(inventory, controller.fleet)
        controller.fleet.refresh()
        stack.push_async_callback(controller.prices.close)
        serving = await _serve(controller, settings, store)
        stack.push_async_callback(serving.close)
        (settings.state_dir / "api.url").write_text(serving.url + "\n", encoding="utf-8")
        logs.get("controller").info(
            "serving", url=serving.url, token_file=str(token_file(settings)), store=STORE
        )
        await _until_stopped(controller)


def token_file(settings: Settings) -> Path:
    """Where the API's tokens stand."""
    return settings.state_dir / "keys" / "api.tokens"


async def _serve(controller: Controller, settings: Settings, store: SqlStore) -> server.Server:
    """Open the HTTP side. Raises `ConfigError` for the tokens, `ServeError` for the rest."""
    path = token_file(settings)
    if not path.exists():
        auth.create(path, OPERATOR)
    app = api.create_app(
        controller.operations,
        tokens=auth.load(path),
        metrics=Exposition(controller.snapshot),
        policies=controller.policies,
        suppositions=controller.suppositions,
        curtailments=controller.curtailments,
        statements=Statements(lambda: closing(store.reader()), controller.clock),
    )
    return await server.serve(app, settings.api.host, settings.api.port, tls=_tls(settings))


def _by_key(inventory: dict[str, str], fleet: Fleet) -> None:
    """Which rig a CURVE key belongs to; a revoked rig's belongs to nobody."""
    inventory.clear()
    inventory.update(
        {record.public_key: rig for rig, record in fleet.records.items() if fleet.admitted(rig)}
    )


def _tls(settings: Settings) -> server.Tls | None:
    cert, key = settings.api.tls_cert_file, settings.api.tls_key_file
    return server.Tls(cert_file=cert, key_file=key) if cert and key else None


async def _until_stopped(controller: Controller) -> None:
    """Work until a signal comes, then leave in order."""
    work = asyncio.create_task(controller.run(), name="controller")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        logs.get("controller").info("stopped")
