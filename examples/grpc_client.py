"""Train a flow on two moons over gRPC and ask it things. Start the service first: `pushforward up`."""

from __future__ import annotations

import grpc
import numpy as np

from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc

MODEL = "moons-flow"


def main() -> None:
    with grpc.insecure_channel("127.0.0.1:8001") as channel:
        stub = pb_grpc.PushforwardStub(channel)
        job = stub.Train(pb.TrainRequest(model=MODEL, preset="flow-two-moons", idempotency_key="grpc-example"))
        for event in stub.WatchJob(pb.WatchJobRequest(id=job.id)):
            if event.kind == "progress":
                print(f"step {event.data['step']:.0f}/{event.data['total_steps']:.0f}")

        drawn = stub.Sample(pb.SampleRequest(model=MODEL, n=5, seed=0))
        samples = np.frombuffer(drawn.samples.data, drawn.samples.dtype).reshape(drawn.samples.shape)
        print("samples\n", samples)
        scored = stub.Likelihood(pb.LikelihoodRequest(model=MODEL, x=drawn.samples))
        print("log_prob", list(scored.log_prob), scored.unit, scored.kind)


if __name__ == "__main__":
    main()
