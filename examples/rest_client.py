"""Train a flow on two moons over REST and ask it things. Start the service first: `pushforward up`."""

from __future__ import annotations

import numpy as np

from pushforward.service.client import Client

MODEL = "moons-flow"


def main() -> None:
    with Client("http://127.0.0.1:8000") as client:
        job = client.train(MODEL, preset="flow-two-moons", idempotency_key="rest-example")
        for kind, data in client.watch(job["id"]):
            if kind == "progress":
                print(f"step {data['step']}/{data['total_steps']}  {data['losses']}")

        samples = np.array(client.ask("sample", {"model": MODEL, "n": 5, "seed": 0}).json()["samples"])
        print("samples\n", samples)
        answer = client.ask("likelihood", {"model": MODEL, "x": samples}).json()
        print("log_prob", answer["log_prob"], answer["unit"], answer["kind"])


if __name__ == "__main__":
    main()
