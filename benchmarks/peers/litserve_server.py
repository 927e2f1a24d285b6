"""LitServe, batching. Settings: BATCH requests at most, WAIT_MS for them, FAST_QUEUE (zmq), API_SERVERS, TIMEOUT_S.

`encode_response` gives a finished `Response`, as its documentation does for pictures: plain lists of numbers would be
pickled, sent through its queue and written by FastAPI's slower JSON.
"""

import os
from typing import Any

import litserve
from decoder import body, load, sample
from fastapi import Response
from torch import Tensor


class Decoder(litserve.LitAPI):
    """Samples rows."""

    def setup(self, device: str) -> None:
        self.net = load()

    def decode_request(self, request: dict[str, Any]) -> int:
        return int(request["n"])

    def batch(self, inputs: list[int]) -> list[int]:
        return inputs

    def predict(self, counts: list[int] | int) -> list[Tensor]:
        each = counts if isinstance(counts, list) else [counts]
        return list(sample(self.net, sum(each)).split(each))

    def unbatch(self, output: list[Tensor]) -> list[Tensor]:
        return output

    def encode_response(self, output: Tensor | list[Tensor]) -> Response:
        rows = output[0] if isinstance(output, list) else output
        return Response(body(rows), media_type="application/json")


if __name__ == "__main__":
    api = Decoder(
        max_batch_size=int(os.environ["BATCH"]),
        batch_timeout=float(os.environ["WAIT_MS"]) / 1000,
        api_path="/sample",
    )
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=1,
        timeout=float(os.environ["TIMEOUT_S"]),
        fast_queue=os.environ["FAST_QUEUE"] == "1",
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=int(os.environ["API_SERVERS"]),
        generate_client_file=False,
        access_log=False,
        log_level="warning",
    )
