"""What the zoo reached is kept by seed, and not mixed with what another recipe reached."""

from pathlib import Path

from benchmarks.zoo_results import Entry, has, keep, read, recipe
from pushforward.models.presets.preset import Preset, preset

ENTRY: Entry = {"when": "2026-11-21", "where": "here", "measures": {"train_s": 1.0}}


def moons(**family: int) -> Preset:
    return preset(
        "moons", "Two moons.", family={"family": "vae", **family}, data={"source": "two_moons"}, budget={"steps": 10}
    )


def test_seeds_of_one_recipe_stand_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "zoo.json"
    for seed in (0, 2):
        keep(moons(), seed, ENTRY, file)
    assert read(file)["moons"]["seeds"] == {"0": ENTRY, "2": ENTRY}


def test_another_recipe_replaces_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "zoo.json"
    keep(moons(), 0, ENTRY, file)
    keep(moons(latent=2), 1, ENTRY, file)
    kept = read(file)["moons"]
    assert set(kept["seeds"]) == {"1"}
    assert kept["run"] == recipe(moons(latent=2).run)


def test_a_result_is_missing_that_lacks_what_another_seed_was_measured_in(tmp_path: Path) -> None:
    file, run = tmp_path / "zoo.json", moons().run
    keep(moons(), 0, ENTRY, file)
    keep(moons(), 1, {**ENTRY, "measures": {"train_s": 1.0, "nll_nats": 2.0}}, file)
    kept = read(file)["moons"]
    assert [has(kept, run, seed) for seed in (0, 1, 2)] == [False, True, False]
    assert not has(kept, moons(latent=2).run, 1)
    assert not has(None, run, 1)


def test_a_recipe_holds_what_a_preset_says_and_no_defaults() -> None:
    assert recipe(moons(latent=2).run) == {
        "family": {"family": "vae", "latent": 2},
        "data": {"source": "two_moons"},
        "optimizer": {},
        "budget": {"steps": 10},
    }
