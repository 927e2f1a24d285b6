"""The connection between a gateway and a worker is cut, reset, stalled or chopped: each request is answered, and once.

`History.check` sees that the right rows have come to the right caller.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import chain

import pytest

from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.settings import Settings
from tests.faults.asking import until_alive, until_reached, worker
from tests.faults.detours import Detour, detoured
from tests.faults.history import History, put_models
from tests.faults.place import Place
from tests.faults.proxy import FAULTS, Connection, Way
from tests.service.models_on_disk import MOONS, STEPS

GATEWAYS = 8
LARGE = InferenceRequest(MOONS, "sample", 30_000, 2)  # a frame that no buffer holds at once
WAYS: tuple[Way, ...] = ("there", "back")
FRAME_BYTES: dict[Way, int] = {"there": 152, "back": 264}  # of a request for a row; of its reply, and more
HANDSHAKE_BYTES: dict[Way, int] = {"there": 64, "back": 88}  # of a proof; of a hello


@pytest.fixture
def settings(place: Place) -> Settings:
    settings = place.settings.model_copy(update={"beat_s": 0.2, "device": "cpu", "compile": "off"})
    put_models(settings)
    return settings


@pytest.fixture
async def detours(settings: Settings) -> AsyncIterator[list[Detour]]:
    """Gateways of one worker."""
    with worker(settings) as thread:
        await until_alive(settings)
        async with detoured(settings, GATEWAYS) as detours:
            for detour in detours:
                await until_reached(detour.gateway)
            yield detours
        await asyncio.to_thread(thread.stop)
        assert not thread.is_alive()
        assert not thread.busy


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("request_", [LARGE, InferenceRequest(STEPS, "sample", 2000, 1)], ids=["large", "long"])
async def test_a_request_outlives_a_fault_of_its_connection(
    settings: Settings, detours: list[Detour], request_: InferenceRequest, fault: Callable[[Connection], None]
) -> None:
    history = History(settings)
    async with history.clients([detour.gateway for detour in detours[1:3]], 2):
        asking = asyncio.create_task(history.ask(detours[0].gateway, request_))
        await asyncio.sleep(0.01)
        [connection] = detours[0].connections
        fault(connection)
        await asking
        await history.ask(detours[0].gateway)
    history.check()


async def in_turn(
    detours: list[Detour], cuts: list[tuple[Way, int]], ask: Callable[[Detour, Way, int], Awaitable[None]]
) -> None:
    """All cuts, shared by the gateways."""
    left = iter(cuts)

    async def work(detour: Detour) -> None:
        for way, n in left:
            await ask(detour, way, n)

    await asyncio.gather(*map(work, detours))


@pytest.mark.parametrize("way", WAYS)
async def test_a_frame_that_breaks_at_any_byte_costs_a_retry(
    settings: Settings, detours: list[Detour], way: Way
) -> None:
    history, rng = History(settings), random.Random(5)

    async def ask(detour: Detour, way: Way, n: int) -> None:
        await until_reached(detour.gateway)
        for connection in detour.connections:
            connection.fault = rng.choice([Connection.cut, Connection.reset])
            connection.left[way] = n
        await history.ask(detour.gateway, InferenceRequest(MOONS, "sample", 1, n), timeout_s=20.0)

    await in_turn(detours, [(way, n) for n in range(1, FRAME_BYTES[way])], ask)
    history.check()


async def test_a_handshake_that_breaks_at_any_byte_is_begun_again(settings: Settings, detours: list[Detour]) -> None:
    history = History(settings)

    async def ask(detour: Detour, way: Way, n: int) -> None:
        [proxy] = detour.proxies.values()
        cuts: Iterator[dict[Way, int]] = iter([{way: n}])

        def prepare(connection: Connection) -> None:
            connection.left = next(cuts, {})

        proxy.prepare = prepare
        for connection in list(proxy.connections):
            connection.cut()
        await history.ask(detour.gateway, InferenceRequest(MOONS, "sample", 1, n), timeout_s=20.0)

    await in_turn(detours, [(way, n) for way in WAYS for n in range(1, HANDSHAKE_BYTES[way])], ask)
    history.check()


async def test_frames_may_be_cut_into_pieces_and_joined(settings: Settings, detours: list[Detour]) -> None:
    history = History(settings)
    for detour in detours:
        for proxy in detour.proxies.values():
            proxy.chops = random.Random(3)
    async with history.clients([detour.gateway for detour in detours], 2 * GATEWAYS, pause_s=0.0):
        await asyncio.gather(*(history.ask(detour.gateway, LARGE) for detour in detours[:2]))
        await asyncio.sleep(1.0)
    history.check()


async def test_faults_at_random_bytes_lose_nothing(settings: Settings) -> None:
    """Two workers, three gateways, bytes in pieces, and one fault after the other."""
    history, rng = History(settings), random.Random(11)
    with worker(settings), worker(settings):
        await until_alive(settings, 2)
        async with detoured(settings, 3) as detours:
            for detour in detours:
                await until_reached(detour.gateway, 2)
                for proxy in detour.proxies.values():
                    proxy.chops = rng
            async with history.clients([detour.gateway for detour in detours], 9, pause_s=0.0):
                for _ in range(15):
                    await asyncio.sleep(0.2)
                    healthy = [each for each in chain(*(d.connections for d in detours)) if not each.stalled]
                    if healthy:
                        connection = rng.choice(healthy)
                        connection.fault = rng.choice(FAULTS)
                        connection.left[rng.choice(WAYS)] = rng.randrange(1, 3000)
    refused = [asked for asked in history.asked if isinstance(asked.outcome, Failed)]
    assert len(refused) <= len(history.asked) / 100, refused  # three faults of three connections, each with a reason
    history.check(but=Failed)
