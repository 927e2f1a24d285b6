"""Measure images of every adversarial architecture, and of families beside them, in the features of one classifier.

    python benchmarks/images.py                          # an hour on two cores
    python benchmarks/images.py dcgan-digits vae-digits
    python benchmarks/images.py --page                   # docs/results/images.md from what is there

Each preset is trained with seed 0 and evaluated through the service (`POST /evaluate`); its results and picture are
kept as zoo.py keeps them. The classifier is trained on the training rows of the data with one seed, so it is the same
one for all models of a data set. What is there already is not trained again: docs/results/images.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import zoo
import zoo_results
from published import FASHION_FID
from zoo_pictures import draw

from pushforward.models.presets import PRESETS
from pushforward.service.client import Client, Refused

RESULTS = Path(__file__).parent.parent / "docs" / "results"
KEPT, PAGE = RESULTS / "images.json", RESULTS / "images.md"
METRICS = (
    "FD_cnn",
    "KD_cnn",
    "precision",
    "recall",
    "density",
    "coverage",
    "label_divergence",
    "nearest_training_row_ratio",
)
DIGITS = (
    "gan-digits",
    "gan-mlp-digits",
    "dcgan-digits",
    "residual-gan-digits",
    "progan-digits",
    "vae-digits",
    "glann-digits",
    "ae-ot-digits",
    "ae-ot-gan-digits",
)
FASHION = {  # with the notes' column
    "vae-fashion-mnist": "VAE",
    "gan-fashion-mnist": "",
    "gan-mlp-fashion-mnist": "",
    "dcgan-fashion-mnist": "NS",
    "lsgan-fashion-mnist": "LS",
    "wgan-gp-fashion-mnist": "WGAN",
    "residual-gan-fashion-mnist": "",
    "progan-fashion": "",
    "glann-fashion-mnist": "GLANN",
    "ae-ot-fashion-mnist": "Ours",
}
SAMPLES = {"digits": 1_000, "fashion-mnist": 2_000}
TITLES = {"digits": "Digits, 8x8", "fashion-mnist": "Fashion-MNIST, 28x28"}
PRESETS_OF: dict[str, Sequence[str]] = {"digits": DIGITS, "fashion-mnist": tuple(FASHION)}

Kept = dict[str, dict[str, Any]]  # by preset


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [name for names in PRESETS_OF.values() for name in names]
    parser.add_argument("presets", nargs="*", default=[], metavar="preset", choices=[[], *every])
    parser.add_argument("--slots", type=int, default=1, help="trainings at a time")
    parser.add_argument("--data-root", type=Path, default=zoo.DATA_ROOT)
    parser.add_argument("--page", action="store_true", help="only write docs/results/images.md")
    asked = parser.parse_args()
    missing = [name for name in asked.presets or every if not has(read(), name)]
    failed = 0 if asked.page else run(missing, asked.slots, asked.data_root)
    PAGE.write_text("\n".join(page(read())) + "\n")
    return 1 if failed else 0


def run(presets: Sequence[str], slots: int, data_root: Path) -> int:
    """Train all, and evaluate and keep one after the other. Gives how many failed."""
    failed = 0
    with zoo.running_service(slots, data_root) as client:
        tasks = [zoo.Task(PRESETS[name], 0) for name in presets]
        jobs = [(task, zoo.start(client, task)) for task in tasks]
        for task, job_id in jobs:
            try:
                job = zoo.ended(client, job_id)
                zoo_results.keep(task.preset, 0, zoo.entry(zoo.measure(client, task, job), slots))
                picture = draw(client, task.preset, task.model, data_root)
                picture.save(zoo.picture_of(task.preset), optimize=True)
                keep(task, evaluated(client, task), job["finished_at"] - job["started_at"])
            except (zoo.Failed, Refused) as error:
                failed += 1
                print(f"{task.model}: {error}", flush=True)
    return failed


def evaluated(client: Client, task: zoo.Task) -> dict[str, Any]:
    """The report on the model's card."""
    job = client.evaluate(task.model, metrics=list(METRICS), n=SAMPLES[data_of(task.preset.name)])
    zoo.ended(client, job["id"])
    report: dict[str, Any] = client.get(f"/models/{task.model}")["evaluation"]
    return report


def data_of(preset: str) -> str:
    return next(data for data, names in PRESETS_OF.items() if preset in names)


def read() -> Kept:
    return zoo_results.load(KEPT)


def has(kept: Kept, preset: str) -> bool:
    return preset in kept and kept[preset]["run"] == zoo_results.recipe(PRESETS[preset].run)


def keep(task: zoo.Task, report: Mapping[str, Any], train_s: float) -> None:
    told = {
        "run": zoo_results.recipe(task.preset.run),
        "train_s": train_s,
        "n": report["n"],
        "n_reference": report["n_reference"],
        "classifier": report["classifier"],
        "metrics": {
            metric["name"]: {side: metric[side] for side in ("ideal", "model", "floor", "gaussian")}
            for metric in report["metrics"]
        },
    }
    print(
        task.model, {name: round(metric["model"]["value"], 4) for name, metric in told["metrics"].items()}, flush=True
    )
    zoo_results.store(read() | {task.preset.name: told}, KEPT)


def page(kept: Kept) -> Iterator[str]:
    yield from INTRODUCTION.splitlines()
    for data, names in PRESETS_OF.items():
        those = {name: kept[name] for name in names if name in kept}
        if not those:
            continue
        first = next(iter(those.values()))
        digests = {each["classifier"]["weights_sha256"][:12] for each in those.values()}
        yield from ("", f"## {TITLES[data]}", "")
        yield (
            f"{first['n']:,} samples and {first['n_reference']:,} held-out rows; the classifier ({', '.join(digests)}) "
            f"finds {100 * first['classifier']['accuracy']:.1f} % of their labels."
        )
        yield ""
        notes = data == "fashion-mnist"
        yield f"| preset | train, s | {' | '.join(METRICS)} |" + (" FID of the notes |" if notes else "")
        yield "|---" * (len(METRICS) + 2 + notes) + "|"
        for name, each in those.items():
            cells = [told(each["metrics"].get(metric), "model") for metric in METRICS]
            theirs = f" {FASHION_FID.get(FASHION[name], '')} |" if notes else ""
            yield f"| [{name}](../pictures/{name}.png) | {each['train_s']:.0f} | {' | '.join(cells)} |{theirs}"
        for side, title in (("floor", "training rows"), ("gaussian", "a Gaussian")):
            cells = [told(first["metrics"].get(metric), side) for metric in METRICS]
            yield f"| *{title}* | | {' | '.join(cells)} |" + (" |" if notes else "")


def told(metric: Mapping[str, Any] | None, side: str) -> str:
    if metric is None or metric[side] is None:
        return ""
    value, error = metric[side]["value"], metric[side]["std_error"]
    return f"{value:.4g}" + (f" ± {error:.2g}" if error is not None else "")


INTRODUCTION = """\
# Images, in the features of a small classifier

By `python benchmarks/images.py`, through the service, seed 0, each on one core beside other trainings. FD_cnn and
KD_cnn are the Fréchet and the kernel distance in the features of a classifier that is trained on the spot; they are no
FID, and compare within a table alone, at its numbers of rows. KD_cnn is unbiased, with its standard error; FD_cnn falls
with the numbers of rows. What training rows reach is the floor; a Gaussian of them is what a model should be better
than. A `nearest_training_row_ratio` well below 1 means samples nearer to training rows than held-out rows are.

The notes' FIDs of Fashion-MNIST are AE-OT's (An et al., 2020): features of Inception, 10,000 samples, networks a
hundred times as large, hours on a GPU. Ours are networks of a few channels, five to ten minutes on a core. Their order
is VAE (worst), least squares, non-saturating, Wasserstein, GLANN, AE-OT (best). What agrees: the VAE is worst, least
squares and non-saturating are close together, and AE-OT is best by FD_cnn, by drawing near to training rows (recall
0.28; by KD_cnn it is behind the two games). What does not: Wasserstein with a penalty is behind both games, for it
gets one step of the critic for each of the generator here, and papers take five; GLANN is no better than a Gaussian,
for its images are blurred, inside the data (precision 1) and alike (recall 0), where the paper has perceptual features
and we have pixels. The VAE is worse than its pictures of means suggest: samples are draws of the likelihood that is
scored, black and white points of each pixel's gray. On digits the order of the notes holds at its other end: AE-OT-GAN
is at the floor, and AE-OT and GLANN, which draw near to training rows, cover less (recall) than the games do.

Of the architectures on Fashion-MNIST the residual network with spectral norms has the cleanest images (precision 0.6,
FD_cnn that of the strided convolutions) and the fewest kinds of them (recall 0.11). Plain convolutions and growing
ones are behind: their 3,000 steps are few, and half of those of the latter are of smaller images. No preset wants a
GPU. `residual-gan-fashion-mnist` was trained beside two others: of the core itself it took 550 s."""


if __name__ == "__main__":
    sys.exit(main())
