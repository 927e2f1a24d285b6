"""Measure how fast we serve, beside LitServe, BentoML, Ray Serve, FastAPI alone, and a handler that does nothing.

    make peers                                   # once: their own environment
    python benchmarks/serving.py                 # about half an hour; writes docs/results/serving.{md,json}
    python benchmarks/serving.py --only likelihood merging --seconds 3

Every server samples the same network, a decoder of 20-400-784 that our service trained, and answers the same JSON, on
the same cores as the load. All of a round comes one after the other, and what is compared are ratios within a round;
the spread over the rounds is told. Each row says what was wanted of it, and whether it was reached.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import inf
from pathlib import Path
from statistics import median

import grpc
import in_process
import numpy as np
import orjson
import psutil
from contestants import ALL, BENTOML, EMPTY, EMPTY_GRPC, IN_PROCESS, LITSERVE, RAY, WORKER, Ours, Peer, ours, serving
from crowd import crowd
from grpc_load import calls_per_s
from load import Arrivals, NoWrk, Outcome, Post, closed_loop, open_loop, percentile_ms
from report import Findings, Rate, Row, markdown, write

from pushforward.models.storage.model import Model
from pushforward.service.rpc.pb.pushforward_pb2 import SampleRequest
from pushforward.service.rpc.pb.pushforward_pb2_grpc import PushforwardStub

CLIENTS = (1, 8, 64, 256)
NPY = "application/x-npy"
DEADLINE_MS = 1000.0
RATES = (0.1, 0.3, 0.6, 0.9, 1.2, 2.0, 3.0)  # of capacity
WHOLE = (str(Path(__file__).parent / "whole_requests.py"),)
OURS = "Pushforward"
LARGE_ROWS, LARGE_ASKS = 20_000, 5
LIKELIHOOD_ROWS, LIKELIHOOD_CLIENTS = 64, 16
WANTED_LIKELIHOOD = {64: 1.0, 1: 0.85}  # by k
SHARING = 1 / (1 - 0.6)  # mean response of an M/G/1 queue with processor sharing at 60 % load, of the unloaded time
MANY = ((EMPTY, 1.0), (LITSERVE, 9.0), (BENTOML, 17.0), (RAY, 3.3), (IN_PROCESS, 2.8))
CROWDS = (0.9, 1.2, 2.0, 3.0)  # of capacity
QUIET_PER_S = 4.0  # asks that hardly ever meet
GENERATOR_RATES = (2000, 4000, 6000, 8000)


def body(model: str, **fields: object) -> bytes:
    return orjson.dumps({"model": model, **fields})


SAMPLE = Post("/sample", (body(in_process.DECODER, n=1),))
SAMPLE_NPY = Post("/sample", SAMPLE.bodies, accept=NPY)
SAMPLE_IN_TIME = Post("/sample", (body(in_process.DECODER, n=1, deadline_ms=DEADLINE_MS),))
EMPTY_NPY = Post("/sample-npy", SAMPLE.bodies, accept=NPY)
DDIM = Post("/sample", tuple(body(in_process.POINTS, n=n) for n in (1, 2, 3, 4)), accept=NPY)
DDIM_IN_TIME = Post(
    "/sample", tuple(body(in_process.POINTS, n=n, deadline_ms=DEADLINE_MS) for n in (1, 2, 3, 4)), accept=NPY
)
DDIM_LOAD = "50-step DDIM, Poisson arrivals of 1-4 rows, 60 % of capacity"


@dataclass(frozen=True)
class Bench:
    """What all measurements need."""

    folder: Path
    weights: Path
    model: Model
    seconds: float
    rounds: int
    gateways: int
    peers: Sequence[Peer]
    findings: Findings

    @contextmanager
    def ours(self, worker: Sequence[str] = WORKER, *, gateways: int = 1) -> Iterator[Ours]:
        with ours(self.folder, gateways=gateways, worker=worker) as place:
            yield place

    @contextmanager
    def peer(self, peer: Peer, environment: Mapping[str, str] = {}) -> Iterator[int]:
        with serving(peer, self.weights, self.folder, environment) as port:
            yield port

    def say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--gateways", type=int, default=1, help="processes of ours that share the port, for closed loops"
    )
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, help="prints these, writes nothing")
    options = parser.parse_args()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="pushforward-") as name:
        folder = Path(name)
        with ours(folder) as place:
            in_process.train(folder / "data", place.port)
        model, weights = in_process.load(folder / "store"), folder / "decoder.safetensors"
        in_process.export(model, weights)
        peers = [peer for peer in ALL if peer.is_installed]
        if missing := [peer.name for peer in ALL if not peer.is_installed]:
            findings.notes.append(f"Not installed, so not measured: {', '.join(missing)}; `make peers` installs them.")
        bench = Bench(folder, weights, model, options.seconds, options.rounds, options.gateways, peers, findings)
        try:
            for measurement in options.only or MEASUREMENTS:
                bench.say(measurement)
                MEASUREMENTS[measurement](bench)
        except NoWrk as error:
            sys.exit(str(error))
    command = " ".join(["python", "benchmarks/serving.py", *sys.argv[1:]])
    settings = {
        OURS: f"{options.gateways} gateway(s) for one-row samples in closed loops, else 1; 1 worker, 1 torch thread, "
        "nothing compiled meanwhile"
    }
    settings |= {peer.name: peer.settings for peer in peers if peer.name in findings.closed}
    text = markdown(findings, settings, command)
    print(text)
    if not options.only:
        write(findings, text, command)
    return 0


# --- one-row samples, every server ---


def sample(bench: Bench) -> None:
    """Closed loops of one-row samples, JSON and npy."""
    npy: dict[str, list[float]] = {OURS: [], EMPTY.name: []}
    closed = bench.findings.closed
    for i in range(bench.rounds):
        turn = i % (len(bench.peers) + 1)
        servers: list[Peer | None] = [None, *bench.peers]  # None: ours
        for peer in servers[turn:] + servers[:turn]:
            name, post = (OURS, SAMPLE) if peer is None else (peer.name, peer.post)
            with bench.ours(gateways=bench.gateways) if peer is None else bench.peer(peer) as place:
                port = place.port if isinstance(place, Ours) else place
                for clients in CLIENTS:
                    seen = closed_loop(port, post, clients, bench.seconds)
                    closed.setdefault(name, []).append(seen)
                    bench.say(f"{name}, {clients} clients: {seen.per_s:.0f}/s, p50 {seen.p50_ms:.3g} ms")
                if name in npy:
                    seen = closed_loop(port, SAMPLE_NPY if peer is None else EMPTY_NPY, 64, bench.seconds)
                    npy[name].append(seen.per_s)
                    bench.say(f"{name}, npy, 64 clients: {seen.per_s:.0f}/s")
    bench.findings.rows += _sample_rows(bench, npy)


def _sample_rows(bench: Bench, npy: Mapping[str, Sequence[float]]) -> Iterator[Row]:
    def figures(name: str, clients: int) -> list[tuple[float, float]]:
        return [(x.per_s, x.p50_ms) for x in bench.findings.closed.get(name, ()) if x.clients == clients]

    one = "one-row sample, 20-400-784, JSON, 1 client"
    waits = [a / b for (_, a), (_, b) in zip(figures(OURS, 1), figures(LITSERVE.name, 1), strict=False)]
    yield Row(one, "p50, of LitServe's", "at most", 0.35, waits)
    waits = [a / b for (_, a), (_, b) in zip(figures(OURS, 1), figures(IN_PROCESS.name, 1), strict=False)]
    yield Row(one, f"p50, of that of {IN_PROCESS.name}", "at most", 1.7, waits)
    for clients, wanted in ((64, MANY), (256, ((EMPTY, 0.9),))):
        load = one.replace("1 client", f"{clients} clients")
        for peer, times in wanted:
            ratios = [
                a / b for (a, _), (b, _) in zip(figures(OURS, clients), figures(peer.name, clients), strict=False)
            ]
            yield Row(load, f"requests/s, times {peer.name}", "at least", times, ratios)
    largest = [x for x in bench.findings.closed.get(OURS, ()) if x.clients == CLIENTS[-1]]
    yield Row(load, "requests that failed", "at most", 0, [x.refused + x.broken + x.late for x in largest])
    of_empty = [a / b for a, b in zip(npy[OURS], npy[EMPTY.name], strict=False)]
    many = one.replace("1 client", "64 clients").replace("JSON", "npy")
    yield Row(many, "requests/s, times the empty handler", "at least", 0.9, of_empty)


def calls(bench: Bench) -> None:
    """Unary gRPC calls, beside an empty handler of the same library that sends the same bytes."""
    ratios = []
    message = SampleRequest(model=in_process.DECODER, n=1)
    with bench.ours() as place, grpc.insecure_channel(f"127.0.0.1:{place.grpc_port}") as channel:
        answer = PushforwardStub(channel).Sample(message, timeout=30)
    file = bench.folder / "answer"
    file.write_bytes(answer.SerializeToString())
    for _ in range(bench.rounds):
        with bench.ours() as place:
            served = calls_per_s(place.grpc_port, message.SerializeToString(), 64, bench.seconds)
        with bench.peer(EMPTY_GRPC, {"GRPC_ANSWER": str(file)}) as port:
            limit = calls_per_s(port, message.SerializeToString(), 64, bench.seconds)
        ratios.append(served / limit)
        bench.say(f"gRPC, 64 calls under way: {served:.0f}/s, the empty handler {limit:.0f}/s")
    load = "one-row sample, 20-400-784, gRPC, 64 calls under way"
    bench.findings.rows.append(Row(load, "calls/s, times an empty grpc.aio handler", "at least", 0.7, ratios))


# --- likelihoods ---


def likelihood(bench: Bench) -> None:
    """Rows of npy in, npy out, beside the same forward passed in this process."""
    x = np.random.default_rng(1).random((LIKELIHOOD_ROWS, in_process.SIZE), dtype=np.float32)
    stream = BytesIO()
    np.save(stream, x)
    reached: dict[int, list[float]] = {64: [], 1: []}
    with bench.ours() as place:
        for _ in range(bench.rounds):
            for k, ratios in reached.items():
                path = f"/likelihood?model={in_process.DECODER}&options=%7B%22k%22%3A{k}%7D"
                post = Post(path, (stream.getvalue(),), NPY, NPY)
                alone = in_process.likelihood_rows_per_s(bench.model, x, k, bench.seconds)
                seconds = max(10.0, bench.seconds) if k > 1 else bench.seconds  # for enough answers to count
                served = LIKELIHOOD_ROWS * closed_loop(place.port, post, LIKELIHOOD_CLIENTS, seconds).per_s
                ratios.append(served / alone)
                bench.say(f"likelihood, k={k}: {served:.0f} rows/s served, {alone:.0f} in process")
    load = f"likelihood of {LIKELIHOOD_ROWS} rows x {in_process.SIZE}, npy, {LIKELIHOOD_CLIENTS} clients"
    names = {64: "VAE, k=64 draws (the default)", 1: "VAE, k=1 (the ELBO)"}
    for k, ratios in reached.items():
        bench.findings.rows.append(
            Row(f"{load}, {names[k]}", "rows/s, times in process", "at least", WANTED_LIKELIHOOD[k], ratios)
        )


# --- samplers of many steps ---


def merging(bench: Bench) -> None:
    """Rows that join between steps, beside the same engine merging whole requests only."""
    tails, middles, means, steps = [], [], [], []
    for _ in range(bench.rounds):
        with bench.ours() as place:
            capacity = _capacity(bench, place.port, DDIM)
            quiet = open_loop(place.port, [Arrivals(DDIM, QUIET_PER_S)], bench.seconds)[0]
            loaded = open_loop(place.port, [Arrivals(DDIM, 0.6 * capacity)], bench.seconds)[0]
        with bench.ours(WHOLE) as place:
            _capacity(bench, place.port, DDIM)  # its caps are learned, too
            whole = open_loop(place.port, [Arrivals(DDIM, 0.6 * capacity)], bench.seconds)[0]
        tails.append(percentile_ms(loaded, 99) / percentile_ms(whole, 99))
        middles.append(percentile_ms(loaded, 50) / percentile_ms(quiet, 50))
        means.append(_mean_ms(loaded) / _mean_ms(quiet) / SHARING)
        steps.append((_step_ms(quiet), _step_ms(loaded)))
        bench.say(
            f"DDIM: capacity {capacity:.0f} asks/s; p50 {percentile_ms(quiet, 50):.1f} ms unloaded, "
            f"{percentile_ms(loaded, 50):.1f} at 60 %; p99 {percentile_ms(loaded, 99):.1f} ms merging steps, "
            f"{percentile_ms(whole, 99):.1f} whole requests"
        )
    quiet_ms, loaded_ms = (median(column) for column in zip(*steps, strict=True))
    note = f"a step takes {quiet_ms:.2f} ms unloaded, {loaded_ms:.2f} ms with all that share it"
    bench.findings.rows += [
        Row(DDIM_LOAD, "mean, of 1 / (1 - 0.6) of an unloaded run's", "at most", 1.3, means, note),
        Row(DDIM_LOAD, "p50, of an unloaded run's, told", "at most", inf, middles),
        Row(DDIM_LOAD, "p99, of the same engine's merging whole requests, told", "at most", inf, tails),
    ]


def mixed(bench: Bench) -> None:
    """Short likelihoods among samplers of many steps."""
    x = np.random.default_rng(2).random((1, in_process.SIZE), dtype=np.float32)
    short = Post("/likelihood", (body(in_process.DECODER, x=x.tolist()),))
    reached, parts = [], []
    with bench.ours() as place:
        for _ in range(bench.rounds):
            capacity = _capacity(bench, place.port, DDIM)
            alone = open_loop(place.port, [Arrivals(short, QUIET_PER_S)], bench.seconds)[0]
            own_ms, compute_ms = percentile_ms(alone, 50), median(outcome.compute_ms for outcome in alone)
            arrivals = [Arrivals(DDIM, 0.6 * capacity), Arrivals(short, 0.1 * 1000 / compute_ms)]
            samples, likelihoods = open_loop(place.port, arrivals, bench.seconds)
            step_ms = _step_ms(samples)
            tail_ms = percentile_ms(likelihoods, 99)
            reached.append(tail_ms / (2 * step_ms + own_ms))
            parts.append((tail_ms, step_ms, own_ms))
            bench.say(
                f"mixed: likelihood {own_ms:.1f} ms alone ({compute_ms:.1f} computing), p99 {tail_ms:.1f} ms among "
                f"steps of {step_ms:.2f} ms"
            )
    tail_ms, step_ms, own_ms = (median(column) for column in zip(*parts, strict=True))
    load = "mixed: the above and one-row likelihoods for 10 % of the device's time"
    figure = "the likelihoods' p99, of two sampler steps and their own time alone"
    note = f"p99 {tail_ms:.1f} ms; a step takes {step_ms:.2f} ms, a likelihood alone {own_ms:.1f} ms"
    bench.findings.rows.append(Row(load, figure, "at most", 1.5, reached, note))


def _capacity(bench: Bench, port: int, post: Post) -> float:
    """The most asks/s that are answered: of closed loops of many clients."""
    closed_loop(port, post, 64, 2.0)  # so that caps are learned
    return max(closed_loop(port, post, clients, max(2.0, bench.seconds / 2)).per_s for clients in (64, 256))


def _mean_ms(outcomes: Sequence[Outcome]) -> float:
    return float(np.mean([outcome.latency_ms for outcome in outcomes if outcome.status == 200]))


def _step_ms(samples: Sequence[Outcome]) -> float:
    """A sampler's step, as the answers tell; 0 where they do not."""
    told = [outcome.compute_ms / in_process.DDIM_STEPS for outcome in samples if outcome.compute_ms > 0]
    return median(told) if told else 0.0


# --- answers that are large ---


def large(bench: Bench) -> None:
    """Twenty thousand rows as npy, five times: how fast, and in how much memory."""
    post = Post("/sample", (body(in_process.DECODER, n=LARGE_ROWS, seed=1),), accept=NPY)
    load, speed = f"sample n = {LARGE_ROWS:,} of {in_process.SIZE}, npy", "rows/s, times in process"
    speeds, grown_mb = [], {"worker": 0.0, "gateway": 0.0}
    with bench.ours() as place:
        if refusal := _refusal(place.port, post):
            bench.findings.rows.append(
                Row(load, "rows/s, times in process", "at least", 0.85, (), f"refused: {refusal}")
            )
            return
        for _ in range(bench.rounds):
            alone = in_process.samples_per_s(bench.model, LARGE_ROWS, bench.seconds / 2)
            with _watched({"worker": place.worker, "gateway": place.gateway}) as peaks:
                began = time.perf_counter()
                for _ in range(LARGE_ASKS):
                    _refusal(place.port, post)
                served = LARGE_ASKS * LARGE_ROWS / (time.perf_counter() - began)
            speeds.append(served / alone)
            grown_mb = {name: max(grown_mb[name], peaks[name]) for name in grown_mb}
            bench.say(f"n = {LARGE_ROWS}: {served:.0f} rows/s served, {alone:.0f} in process; grown {peaks} MB")
    answer_mb = 4 * LARGE_ROWS * in_process.SIZE / 2**20
    bench.findings.rows.append(Row(load, speed, "at least", 0.85, speeds))
    held = f"more memory than at rest, of the answer's {answer_mb:.0f} MB:"
    bench.findings.rows += [
        Row(load, f"{held} {name}", "at most", 0.25, [mb / answer_mb]) for name, mb in grown_mb.items()
    ]


def _refusal(port: int, post: Post) -> str:
    """Ask and read all of the answer; why it was refused, or nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", post.path, post.bodies[0], {"Content-Type": post.content_type, "Accept": post.accept})
    response = connection.getresponse()
    if response.status != 200:
        return str(orjson.loads(response.read()).get("detail", response.status))
    while response.read(2**20):
        pass
    connection.close()
    return ""


@contextmanager
def _watched(processes: Mapping[str, psutil.Process]) -> Iterator[dict[str, float]]:
    """By how many MB processes and their children grow at most inside the `with`."""
    before = {name: _mb(process) for name, process in processes.items()}
    grown = dict.fromkeys(processes, 0.0)
    stopping = threading.Event()

    def watch() -> None:
        while not stopping.wait(0.02):
            for name, process in processes.items():
                grown[name] = max(grown[name], _mb(process) - before[name])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield grown
    finally:
        stopping.set()
        thread.join()


def _mb(process: psutil.Process) -> float:
    """Resident, of a process and its children."""
    return float(sum(each.memory_info().rss for each in [process, *process.children()])) / 2**20


# --- past saturation ---


def overload(bench: Bench) -> None:
    """From light to three times what can be done: Poisson arrivals of samplers, crowds of one-row samples."""
    with bench.peer(EMPTY) as port:
        kept_up = [_answered_per_s(port, per_s) for per_s in GENERATOR_RATES]
    bench.findings.notes.append(f"The open loop's generator keeps up to {max(kept_up):.0f}/s with the empty handler.")
    for gateways in (1, 2):
        server = f"{OURS}, {gateways} gateway(s), 50-step DDIM of 1-4 rows"
        with bench.ours(gateways=gateways) as place:
            steps = _sweep(bench, server, place.port, DDIM_IN_TIME)
        peak, last = max(rate.goodput_per_s for rate in steps), steps[-1]
        missed = [last.overshoot_ms / last.step_ms] if last.step_ms else []
        load = f"50-step DDIM of 1-4 rows, 300 % of capacity, deadlines of 1 s, {gateways} gateway(s)"
        bench.findings.rows += [
            Row(load, "goodput, of its peak", "at least", 0.85, [last.goodput_per_s / peak]),
            Row(load, "worst overshoot of an accepted ask, in steps", "at most", 1.0, missed),
        ]


def crowded(bench: Bench) -> None:
    """One-row samples from a crowd that wants more than one gateway can do."""
    goodputs: dict[float, list[float]] = {share: [] for share in CROWDS}
    told, tails, shares, offers = [], [], [], []
    for _ in range(bench.rounds):
        with bench.ours() as place:
            capacity = _capacity(bench, place.port, SAMPLE)
            for share, reached in goodputs.items():
                seen = crowd(place.port, SAMPLE_IN_TIME, share * capacity, bench.seconds)
                reached.append(seen.good_per_s)
                offers.append(seen.offered_per_s / capacity)
                told += [seen.told] if seen.refused_per_s else []
                tails.append(seen.p99_ms)
                shares.append(seen.cores)
                bench.say(f"crowd of {share:.0%} of {capacity:.0f}/s: {seen}")
    peaks = [max(each) for each in zip(*goodputs.values(), strict=True)]
    load = "one-row sample, JSON, a crowd of 900 connections"
    note = (
        f"offered {max(offers):.2f} of what one gateway can do, at most; the slowest p99 {max(tails):.0f} ms; "
        f"the crowd itself takes up to {max(shares):.0%} of the cores"
    )
    for share in CROWDS[1:]:
        ratios = [good / peak for good, peak in zip(goodputs[share], peaks, strict=True)]
        figure = f"goodput where {share:.0%} of capacity is wanted, of its peak"
        wanted = 0.8 if max(offers) >= share else inf  # what was never offered is told, and proves nothing
        bench.findings.rows.append(Row(load, figure, "at least", wanted, ratios, note if share == CROWDS[-1] else ""))
    bench.findings.rows.append(Row(load, "refusals that say when to come again", "at least", 1.0, told))


def _answered_per_s(port: int, per_s: float) -> float:
    outcomes = open_loop(port, [Arrivals(SAMPLE, per_s)], 2.0)[0]
    return sum(outcome.status == 200 and outcome.latency_ms < DEADLINE_MS for outcome in outcomes) / 2.0


def _sweep(bench: Bench, server: str, port: int, post: Post) -> list[Rate]:
    capacity = _capacity(bench, port, post)
    found = []
    for share in RATES:
        outcomes = open_loop(port, [Arrivals(post, share * capacity)], bench.seconds)[0]
        good = [each for each in outcomes if each.status == 200 and each.since_sent_ms <= DEADLINE_MS]
        accepted = [each.since_sent_ms for each in outcomes if each.status in (0, 200, 504)]
        rate = Rate(
            server=server,
            of_capacity=share,
            offered_per_s=len(outcomes) / bench.seconds,
            goodput_per_s=len(good) / bench.seconds,
            p50_ms=percentile_ms(outcomes, 50),
            p95_ms=percentile_ms(outcomes, 95),
            p99_ms=percentile_ms(outcomes, 99),
            statuses=dict(Counter(each.status for each in outcomes)),
            told_when=sum(each.retry_after for each in outcomes),
            overshoot_ms=max(0.0, max(accepted, default=0.0) - DEADLINE_MS),
            behind_ms=float(np.percentile([each.behind_ms for each in outcomes], 99)) if outcomes else 0.0,
            step_ms=_step_ms(good),
        )
        found.append(rate)
        bench.say(
            f"{server}, {share:.0%}: goodput {rate.goodput_per_s:.0f} of {rate.offered_per_s:.0f}/s, p99 "
            f"{rate.p99_ms:.1f} ms, {dict(rate.statuses)}, overshoot {rate.overshoot_ms:.1f} ms"
        )
    bench.findings.rates += found
    return found


MEASUREMENTS: dict[str, Callable[[Bench], None]] = {
    "sample": sample,
    "calls": calls,
    "likelihood": likelihood,
    "merging": merging,
    "mixed": mixed,
    "large": large,
    "overload": overload,
    "crowded": crowded,
}

if __name__ == "__main__":
    sys.exit(main())
