"""What demo workloads compute from the clock: shares, tokens, and whose turn it is."""

from __future__ import annotations

import asyncio
import json

import pytest

from agent.demo.engine import BusyError, Engine
from agent.demo.miner import Miner
from tests.sim import clock


def test_miner_grows_shares_only_while_it_works() -> None:
    now = [0.0]
    miner = Miner(token="", hashrate_hps=7.0, start_s=10, share_interval_s=5, clock=lambda: now[0])

    def look(at_s: float) -> tuple[object, object, object]:
        now[0] = at_s
        said = json.loads(json.dumps(miner.summary()))
        return said["results"]["shares_good"], said["hashrate"]["total"], said["paused"]

    assert look(10) == (0, [None, None, None], False)
    assert look(25) == (3, [7.0, None, None], False)
    assert look(80) == (14, [7.0, 7.0, None], False)


def test_engine_lets_requests_wait_and_refuses_too_many() -> None:
    async def scenario() -> None:
        engine = Engine(tokens_per_s=10, slots=2)
        loop = asyncio.get_running_loop()
        requests = [asyncio.create_task(engine.generate(20)) for _ in range(66)]
        await asyncio.sleep(1)
        assert (engine.running, engine.waiting, engine.tokens_total()) == (2, 64, 20)
        with pytest.raises(BusyError):
            await engine.generate(1)
        await asyncio.gather(*requests)
        assert round(loop.time(), 6) == 66
        assert (engine.tokens_total(), engine.succeeded) == (66 * 20, 66)

    clock.run(scenario())


def test_engine_is_idle_only_when_nothing_is_about_to_run() -> None:
    async def scenario() -> None:
        engine = Engine(tokens_per_s=10, slots=1)
        requests = [asyncio.create_task(engine.generate(10)) for _ in range(3)]
        await asyncio.sleep(0)
        await engine.idle()
        assert all(request.done() for request in requests)
        late = asyncio.create_task(engine.generate(10))
        await engine.pause()
        assert not late.done()
        await engine.resume()
        await late

    clock.run(scenario())
