"""Every marketplace that is known, one row each, with what its names were taken from."""

from __future__ import annotations

from collections.abc import Mapping

from agent.core.workload import Market
from agent.drivers.markets.row import Call, Row, Sign


def _vast_offer(market: Market) -> Mapping[str, object]:
    machine = int(market.machine) if market.machine.isdecimal() else market.machine
    return {"machine": machine, **market.listing}


def _clore_name(market: Market) -> Mapping[str, object]:
    return {"server_name": market.machine}


def _clore_offer(market: Market) -> Mapping[str, object]:
    return {"name": market.machine, **market.listing, "availability": True}


def _clore_withdrawal(market: Market) -> Mapping[str, object]:
    return {"name": market.machine, **market.listing, "availability": False}


MARKETS = (
    # The host commands of vast-ai/vast-cli (`show machines`, `list machine`, `unlist machine`),
    # docs.vast.ai/host, and the pause between questions of 500farm/prometheus-vastai. An offer that
    # is withdrawn ends no contract.
    Row(
        driver="vast",
        title="vast.ai",
        url="https://console.vast.ai",
        gap_s=5.0,
        look=Call("GET", "/api/v0/machines?owner=me"),
        entries="machines[]",
        entry="id",
        rentals=("current_rentals_running",),
        occupancy="gpu_occupancy",
        idle=frozenset({"x"}),
        listed=Sign("listed", (True,)),
        online=Sign("timeout", (0,)),
        earning=("earn_hour",),
        enlist=Call("PUT", "/api/v0/machines/create_asks/", _vast_offer),
        delist=Call("DELETE", "/api/v0/machines/{machine}/asks/"),
        done=Sign("success", (True,)),
        caution=(
            "A stopped instance of a tenant keeps its disk but no GPU, and does not count as a "
            "rental. Its terms forbid other use of a listed machine; rigshift withdraws the offer "
            "first."
        ),
    ),
    # docs.clore.ai/for-hosts/api (`server_config`, `set_server_settings`, codes, one request a
    # second), and `rental_status` as the client vladpuz/cloreai has it.
    Row(
        driver="clore",
        title="clore.ai",
        url="https://api.clore.ai",
        token_header="auth",  # noqa: S106 - the name of a header
        gap_s=1.5,
        look=Call("GET", "/v1/server_config", _clore_name),
        believed=Sign("code", (0,)),
        entries="config",
        entry="name",
        rentals=("rental_status",),
        whole=True,
        listed=Sign("visibility", ("public",)),
        online=Sign("online", (True,)),
        enlist=Call("POST", "/v1/set_server_settings", _clore_offer),
        delist=Call("POST", "/v1/set_server_settings", _clore_withdrawal),
        done=Sign("code", (0,)),
        caution="A server is rented as a whole. What it earns is not told in dollars.",
    ),
    # `/status` of an Akash provider as in akash-network/support#192 and community#841, where
    # support#147 shows that a cordoned node is not offered; what runs on it goes on.
    Row(
        driver="akash",
        title="Akash",
        wants_token=False,
        gap_s=5.0,
        look=Call("GET", "/status"),
        rentals=("cluster.leases", "cluster.leases.active"),
        gpus_rented="cluster.inventory.active[].gpu",
        caution=(
            "The status is the whole provider's: a lease anywhere locks every rig of it. Whether "
            "the node is offered, and what it earns, is not told."
        ),
    ),
)
