"""The client for asyncio. `pushforward.client.sync` is generated of it by `python -m tools.generated`."""
