"""Workers and gateways that leave by SIGTERM under load lose no request."""

import asyncio
from contextlib import AsyncExitStack, ExitStack

from pushforward.service.dispatch.dispatcher import Dispatcher
from tests.faults.asking import by_id, until_alive, until_reached
from tests.faults.history import History, put_models
from tests.faults.place import Place


async def test_all_workers_are_restarted_one_by_one_under_load(place: Place) -> None:
    """And a gateway, too; nothing is refused."""
    settings = place.settings.model_copy(update={"beat_s": 0.4})
    put_models(settings)
    history = History(settings)
    with ExitStack() as stack:
        old = [stack.enter_context(place.worker(beat_s=0.4)) for _ in range(2)]
        names = await by_id(settings, old)
        async with AsyncExitStack() as gateways:
            one, another = Dispatcher(settings), Dispatcher(settings)
            gateways.push_async_callback(one.close)
            await until_reached(one, 2)
            await until_reached(another, 2)
            async with history.clients([one], 4, pause_s=0.05):
                async with history.clients([another], 4, pause_s=0.05):
                    for process in old:
                        new = stack.enter_context(place.worker(beat_s=0.4))
                        await until_alive(settings, 3)
                        await until_reached(one, 3)
                        process.terminate()
                        assert await asyncio.to_thread(process.wait, 60) == 0
                        assert new.poll() is None
                await another.close()
                await asyncio.sleep(0.3)
            assert not {each.id for each in await one.reach()} & names.keys()
    history.check()
