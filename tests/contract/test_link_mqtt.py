"""What only MQTT has to prove: the broker's access list, wills, TLS, and brokers that are away."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiomqtt
import pytest
from structlog.testing import capture_logs

from tests.parts import mosquitto
from tests.parts.links import WILL, MqttGround, down, meet, repeating, run, up
from tests.parts.mosquitto import Mosquitto
from tests.parts.programs import free_port
from wire import mqtt
from wire.transport import LinkError, Reach, Received

AGENT_PROCESS = """
import asyncio, pathlib, sys
from wire import mqtt

async def main(url, rig, password, ca_file):
    link = await mqtt.open_agent(url=url, rig=rig, username=rig, password=password,
                                 ca_file=pathlib.Path(ca_file), will=b"will")
    while True:
        await link.send(b"alive")
        await asyncio.sleep(0.02)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    with mosquitto.running([f"rig-{number}" for number in range(32)]) as broker:
        yield broker


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def rigs(numbers: Iterator[int]) -> tuple[str, str]:
    """Two rigs that no other test uses: a broker remembers."""
    return f"rig-{next(numbers)}", f"rig-{next(numbers)}"


async def logged(entries: Sequence[object], text: str) -> None:
    """Wait until something has been logged; the log has no event to wait for."""
    while not any(text in str(entry) for entry in entries):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_a_rig_can_neither_read_nor_write_anothers_topics(
    broker: Mosquitto, rigs: tuple[str, str]
) -> None:
    async def scenario() -> None:
        victim, thief = rigs
        async with MqttGround(broker) as ground:
            fleet, agent = await ground.fleet(), await ground.agent(victim)
            await meet(fleet, agent, victim)
            with capture_logs() as entries:
                link = await ground.agent_as(
                    victim, username=thief, password=broker.passwords[thief]
                )
                await logged(entries, "broker connected")
            heard = asyncio.ensure_future(link.receive())
            for number in range(20):
                await link.send(b"I am the victim")
                others = await up(agent, fleet, victim, b"%d" % number)
                assert b"I am the victim" not in {received.frame for received in others}
                await fleet.send(victim, b"kept secret", keep_s=60.0)
                await down(fleet, agent, victim, b"secret %d" % number)
            assert not heard.done()
            heard.cancel()

    run(scenario())


def test_wildcards_show_a_rig_only_its_own_orders(broker: Mosquitto, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        victim, spy = rigs
        async with MqttGround(broker) as ground:
            fleet, agent = await ground.fleet(), await ground.agent(victim)
            await meet(fleet, agent, victim)
            async with aiomqtt.Client(
                "127.0.0.1",
                broker.port,
                username=spy,
                password=broker.passwords[spy],
                tls_context=ssl.create_default_context(cafile=broker.ca_file),
            ) as client:
                await client.subscribe("#")
                await fleet.send(victim, b"kept secret", keep_s=60.0)
                await down(fleet, agent, victim, b"secret")
                await up(agent, fleet, victim, b"secret")
                async with repeating(lambda: fleet.send(spy, b"end")):
                    async for message in client.messages:
                        assert b"secret" not in message.payload
                        if message.payload == b"end":
                            break

    run(scenario())


def test_a_wrong_password_is_told_and_tried_again(broker: Mosquitto, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        rig, other = rigs
        async with MqttGround(broker) as ground:
            fleet = await ground.fleet()
            with capture_logs() as entries:
                refused = await ground.agent_as(rig, username=rig, password="wrong")
                async with repeating(lambda: refused.send(b"let me in")):
                    await logged(entries, "Not authorized")
            agent = await ground.agent(other)
            others = await up(agent, fleet, other, b"end")
            assert b"let me in" not in {received.frame for received in others}
            assert "wrong" not in str(entries)

    run(scenario())


def test_the_will_tells_of_an_agent_that_vanished(broker: Mosquitto, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        rig = rigs[0]
        async with MqttGround(broker) as ground:
            fleet = await ground.fleet()
            arguments = (broker.url, rig, broker.passwords[rig], str(broker.ca_file))
            agent = await asyncio.create_subprocess_exec(
                sys.executable, "-c", AGENT_PROCESS, *arguments, stderr=subprocess.DEVNULL
            )
            assert await fleet.receive() == Received(rig, b"alive")
            agent.kill()
            while (received := await fleet.receive()) != Received(rig, WILL):
                assert received == Received(rig, b"alive")
            await agent.wait()

    run(scenario())


def test_a_goodbye_leaves_no_will_and_its_last_frame_arrives(
    broker: Mosquitto, rigs: tuple[str, str]
) -> None:
    async def scenario() -> None:
        rig, witness_rig = rigs
        async with MqttGround(broker) as ground:
            fleet, agent = await ground.fleet(), await ground.agent(rig)
            witness = await ground.agent(witness_rig)
            await meet(fleet, agent, rig)
            for _ in range(100):
                await agent.send(b"last words")
            await agent.send(b"goodbye")
            await agent.close()
            heard = await up(witness, fleet, witness_rig, b"end")
            # A broker keeps the order of one client's frames, not that of two.
            while Received(rig, b"goodbye") not in heard:
                heard.append(await fleet.receive())
            assert Received(rig, WILL) not in heard

    run(scenario())


def test_a_broker_that_is_away_is_waited_for(rigs: tuple[str, str]) -> None:
    async def scenario(broker: Mosquitto) -> None:
        rig = rigs[0]
        broker.stop()
        async with MqttGround(broker) as ground:
            fleet, agent = await ground.fleet(), await ground.agent(rig)
            await agent.send(b"into the void")
            for _ in range(2):
                broker.start()
                await meet(fleet, agent, rig)
                broker.stop()

    with mosquitto.running(rigs) as broker:
        run(scenario(broker))


def test_a_broker_with_another_certificate_is_told_nothing(
    broker: Mosquitto, rigs: tuple[str, str]
) -> None:
    async def scenario(false_broker: Mosquitto) -> None:
        rig = rigs[0]
        with capture_logs() as entries:
            link = await mqtt.open_agent(
                url=false_broker.url,
                rig=rig,
                username=rig,
                password=false_broker.passwords[rig],
                ca_file=broker.ca_file,
                will=WILL,
            )
            await logged(entries, "certificate verify failed")
            await link.close()
        assert f"as {rig}" not in false_broker.log

    with mosquitto.running(rigs) as false_broker:
        run(scenario(false_broker))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:8883",
        "http://host",
        "mqtts://",
        "mqtts://host:port",
        "mqtts://host:99999",
        "mqtts://user:word@host",
        "mqtts://host/path",
        "mqtts://[::1",
        "mqtt://broker.example",
        "mqtt://192.0.2.1",
    ],
)
def test_an_unusable_url_is_an_error_that_says_what_to_write(url: str) -> None:
    async def scenario() -> None:
        with pytest.raises(LinkError, match="write `mqtts://") as raised:
            await mqtt.open_agent(
                url=url, rig="rig", username="u", password="secret", ca_file=None, will=WILL
            )
        assert "word" not in str(raised.value)
        with pytest.raises(LinkError):
            await mqtt.open_fleet(url=url, username="u", password="secret", ca_file=None)

    run(scenario())


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_an_unreadable_ca_file_is_an_error(tmp_path: Path, content: str | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)

    async def scenario() -> None:
        with pytest.raises(LinkError, match=r"ca\.pem"):
            await mqtt.open_fleet(
                url="mqtts://127.0.0.1", username="u", password="secret", ca_file=ca_file
            )

    run(scenario())


@pytest.mark.parametrize("rig", ["", "a/b", "+", "#", "a" * 129])
def test_a_rig_that_is_no_topic_level_is_an_error(rig: str) -> None:
    async def scenario() -> None:
        with pytest.raises(LinkError, match="MQTT topic"):
            await mqtt.open_agent(
                url="mqtt://localhost",
                rig=rig,
                username="u",
                password="secret",
                ca_file=None,
                will=WILL,
            )

    run(scenario())


def test_an_attempt_tells_how_far_a_rig_gets(broker: Mosquitto, rigs: tuple[str, str]) -> None:
    rig, _ = rigs

    async def scenario() -> None:
        async def reach(url: str, password: str, *, log_in: bool = True) -> Reach:
            ca_file = broker.ca_file
            found = await mqtt.contact(
                url=url, username=rig, password=password, ca_file=ca_file, log_in=log_in
            )
            return found.reach

        own = broker.passwords[rig]
        assert await reach(broker.url, own) is Reach.ACCEPTED
        assert await reach(broker.url, "wrong") is Reach.REFUSED
        assert await reach(broker.url, "wrong", log_in=False) is Reach.ANSWERED
        for log_in in (True, False):
            nobody = await reach(f"mqtts://127.0.0.1:{free_port()}", own, log_in=log_in)
            assert nobody is Reach.UNREACHABLE

    run(scenario())
