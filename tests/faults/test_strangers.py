"""Who connects to a worker and is no gateway is turned away, and gateways are served."""

import asyncio
from contextlib import suppress

import pytest

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.frames import encode_message
from pushforward.service.dispatch.framing import MAGIC, encode
from pushforward.service.dispatch.handshake import HANDSHAKE_S
from pushforward.service.dispatch.messages import Cancelled, Proof
from tests.faults.asking import until_alive, until_answered, worker
from tests.faults.place import Place
from tests.service.models_on_disk import put_model

NO_FRAMES = [
    b"",
    b"GET / HTTP/1.1\r\n\r\n",
    b"PFW",
    MAGIC + bytes(12),
    MAGIC + b"\xff" * 12,
    b"".join(encode_message(Cancelled((1,)))),  # before its proof
    b"".join(encode_message(Proof(b"wrong"))),
    b"".join(encode([["requests"]], [])),
    b"".join(encode_message(Proof(bytes(2000)))),
]


@pytest.mark.parametrize("said", NO_FRAMES, ids=range(len(NO_FRAMES)))
async def test_who_does_not_know_the_secret_is_turned_away_and_gateways_are_served(place: Place, said: bytes) -> None:
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    asks = Dispatcher(settings)
    with worker(settings) as thread:
        await until_alive(settings)
        reader, writer = await asyncio.open_connection("127.0.0.1", thread._listener.port)
        writer.write(said)
        async with asyncio.timeout(HANDSHAKE_S + 5.0):
            with suppress(ConnectionError):
                hello = await reader.read()  # until the worker closes the connection
                assert len(hello) < 200
        writer.close()
        await until_answered(asks)
        await asks.close()
        await asyncio.to_thread(thread.stop)
