"""A client of the REST API: the command line and the examples use it. It needs httpx and numpy only.

with Client("http://127.0.0.1:8000") as client:
    job = client.train("digits-vae", preset="vae-digits")
    for event in client.watch(job["id"]): ...
    samples = client.ask("sample", {"model": "digits-vae", "n": 16}).json()["samples"]
"""

from pushforward.service.client.client import Client
from pushforward.service.client.errors import Refused, Torn, Unreachable
from pushforward.service.client.events import FINAL
from pushforward.service.client.files import whole_file

__all__ = ["FINAL", "Client", "Refused", "Torn", "Unreachable", "whole_file"]
