"""Every verb of the command line against a real service."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from pyarrow import csv, feather, parquet
from typer.testing import CliRunner

from pushforward.service.cli.app import app
from pushforward.service.client import Client
from pushforward.service.local.up import free_port
from tests.e2e.running import ROOT, Up

MOONS = [
    *("--family.family", "vae", "--family.latent", "2", "--family.width", "8", "--family.depth=1"),
    *("--family.likelihood.likelihood", "gaussian", "--data.source", "two_moons"),
]
DIGITS = {
    "family": {"family": "vae", "latent": 2, "width": 8, "likelihood": {"likelihood": "binomial"}},
    "data": {"source": "digits"},
    "budget": {"steps": 5},
}
ENDLESS = ["--budget.steps", "10000000"]
X = [[0.5, 0.25], [1.0, -0.5]]


class Shell:
    """The command line at the address of a service."""

    def __init__(self, url: str) -> None:
        self.environment = {"PUSHFORWARD_URL": url}

    def run(self, *words: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], input=stdin, env=self.environment)

    def ok(self, *words: object, stdin: str | None = None) -> Result:
        result = self.run(*words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result

    def terminal(self, *words: object, columns: int) -> list[str]:
        """The lines that a terminal of so many columns shows."""
        looks = {"FORCE_COLOR": "1", "COLUMNS": str(columns)}
        result = CliRunner().invoke(app, [str(word) for word in words], env=self.environment | looks)
        assert result.exit_code == 0, result.output
        return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in result.stdout.splitlines()]

    def json(self, *words: object, stdin: str | None = None) -> Any:
        """What is answered as JSON: answers of models always are, the rest by `--json`."""
        flag = ("--json",) if words[0] in ("families", "presets", "train", "jobs", "models", "evaluate") else ()
        return json.loads(self.ok(*words, *flag, stdin=stdin).stdout)

    def process(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.environment, "PYTHONPATH": str(ROOT)}
        environment.pop("COLUMNS", None)  # the terminal's own width
        return subprocess.Popen([sys.executable, "-m", "pushforward", *words], env=environment, **options)


@pytest.fixture(scope="module")
def shell(up: Up) -> Shell:
    return Shell(up.place.url)


@pytest.fixture(scope="module")
def followed(shell: Shell) -> Result:
    """A training on two moons, from flags, followed to its end outside a terminal."""
    return shell.ok("train", "moons", *MOONS, "--budget.steps", 20, "--follow")


@pytest.fixture(scope="module")
def moons(followed: Result) -> str:
    return "moons"


@pytest.fixture(scope="module")
def digits(shell: Shell) -> str:
    """A training from a run on standard input."""
    shell.ok("train", "digits", "--run", "-", "--follow", stdin=json.dumps(DIGITS))
    return "digits"


@pytest.fixture
def endless(shell: Shell) -> Iterator[str]:
    job = shell.json("train", "endless", *MOONS, *ENDLESS)["id"]
    yield job
    shell.ok("jobs", job, "--cancel")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.array(X))
    return tmp_path / "x.npy"


def test_families_and_presets_are_listed_and_shown(shell: Shell) -> None:
    assert "Normalizing flow" in shell.ok("families").stdout
    assert shell.json("families", "flow")["capabilities"][0] == "sample"
    assert "vae-digits" in shell.ok("presets").stdout
    assert shell.json("presets", "vae-digits")["data"]["source"] == "digits"
    assert {family["family"] for family in shell.json("families")["families"]} >= {"vae", "flow"}
    assert "vae-digits" in {preset["name"] for preset in shell.json("presets")["presets"]}


def test_json_is_what_the_api_answers(shell: Shell, client: Client, moons: str) -> None:
    for verb in ("families", "presets", "models", "jobs"):
        query = {"limit": 100} if verb == "jobs" else {}
        assert shell.json(verb) == client.get(f"/{verb}", **query)
    shell.ok("jobs", shell.json("train", "another", "--preset", "vae-digits")["id"], "--cancel")
    first = shell.json("jobs", "--limit", 1)
    assert shell.json("jobs", "--after", first["next"])["jobs"][0]["id"] != first["jobs"][0]["id"]


def test_json_may_be_wanted_before_the_verb(shell: Shell, moons: str) -> None:
    assert json.loads(shell.ok("--json", "models").stdout) == shell.json("models")
    assert json.loads(shell.ok("--json", "models", moons).stdout) == shell.json("models", moons)
    assert json.loads(shell.ok("--json", "jobs", "--limit", 1).stdout)["jobs"]


def test_a_family_is_shown_as_the_flags_and_options_it_takes(shell: Shell) -> None:
    shown = shell.ok("families", "flow").stdout
    fields = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "spline | affine" in fields["--family.transform"]
    assert fields["--family.n_transforms"].split()[1:7] == ["integer,", ">", "0,", "<=", "32", "4"]
    assert "k" in fields
    assert "{" not in shown


def test_a_preset_is_shown_as_flags_that_can_be_typed(shell: Shell) -> None:
    shown = shell.ok("presets", "vae-digits").stdout.splitlines()
    typed = [word for line in shown[shown.index("") + 3 :] for word in line.split(None, 1)]
    job = shell.json("train", "typed", *typed)
    shell.ok("jobs", job["id"], "--cancel")
    assert job["run"] == shell.json("presets", "vae-digits")


def test_the_help_of_train_lists_the_fields_of_a_run(shell: Shell) -> None:
    shown = shell.ok("train", "--help").stdout
    for flag in ("--family.family", "--data.source", "--data.path", "--optimizer.lr", "--budget.epochs", "--seed"):
        assert f"  {flag} " in shown
    assert ".;" not in shown
    assert "[default: the family's own]" in shown[shown.index("--optimizer.lr") : shown.index("--optimizer.betas")]


def test_it_says_its_version(shell: Shell) -> None:
    assert shell.ok("--version").stdout.split() == ["pushforward", version("pushforward")]


def test_a_shell_completes_verbs_and_the_names_of_the_service(shell: Shell, moons: str) -> None:
    def completed(*words: str) -> list[str]:
        asked = {"COMP_WORDS": " ".join(("pushforward", *words)), "COMP_CWORD": str(len(words))}
        environment = {**shell.environment, **asked, "_PUSHFORWARD_COMPLETE": "complete_bash"}
        return CliRunner().invoke(app, [], env=environment, prog_name="pushforward").stdout.split()

    assert "sample" in completed("sa")
    assert "moons" in completed("sample", "mo")
    assert "flow-two-moons" in completed("train", "m", "--preset", "flow-two")
    assert completed("families", "flow_") == ["flow_matching"]


def test_a_preset_is_trained_with_changed_fields(shell: Shell) -> None:
    changed = ["--preset", "vae-digits", "--family.latent", "3", "--budget.steps", "7", "--seed", "5"]
    job = shell.json("train", "changed", *changed, "--priority", "-7")
    assert job["priority"] == -7
    shell.ok("jobs", job["id"], "--cancel")
    assert (job["preset"], job["run"]["family"]["latent"], job["run"]["budget"]["steps"]) == ("vae-digits", 3, 7)
    assert job["run"]["seed"] == 5


def test_a_followed_training_prints_a_line_now_and_then_where_there_is_no_terminal(followed: Result) -> None:
    lines = followed.stderr.splitlines()
    assert lines[0].startswith("job ")
    assert "running" in lines
    assert any(line.startswith("step 20/20  negative_elbo_nats ") for line in lines)
    ended = next(number for number, line in enumerate(lines) if line.startswith("trained moons@1  "))
    assert all(line.startswith("note: ") for line in lines[ended + 1 :])
    assert "\x1b" not in followed.stderr
    assert followed.stdout == ""


def test_a_terminal_shows_a_bar_with_the_losses(shell: Shell, followed: Result) -> None:
    job = followed.stderr.split()[1]
    shown = at_terminal(shell, "jobs", job, "--follow", columns=80)
    assert "20/20" in shown
    assert "━" in shown
    assert "negative_elbo_nats" in shown


def test_the_newest_pictures_of_a_training_are_kept_in_a_folder(shell: Shell, followed: Result, tmp_path: Path) -> None:
    again = shell.ok("jobs", followed.stderr.split()[1], "--pictures", tmp_path / "seen")
    assert sorted(file.name for file in (tmp_path / "seen").iterdir()) == ["density.png", "samples.png"]
    assert (tmp_path / "seen" / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert any(line.startswith("step 20/20") for line in again.stderr.splitlines())


def test_jobs_are_listed_by_state_and_model_and_shown(shell: Shell, moons: str, digits: str) -> None:
    table = shell.ok("jobs", "--state", "succeeded", "--model", moons).stdout
    assert "moons" in table
    assert "digits" not in table
    job = next(word for word in table.split() if len(word) == 16 and word.isalnum())
    assert shell.json("jobs", job)["state"] == "succeeded"


def test_a_job_is_named_by_the_beginning_of_its_id(shell: Shell, followed: Result) -> None:
    job = followed.stderr.split()[1]
    others = [each["id"] for each in shell.json("jobs")["jobs"] if each["id"] != job]
    chars = next(n for n in range(1, 17) if not any(other.startswith(job[:n]) for other in others))
    assert shell.json("jobs", job[:chars])["id"] == job
    assert "\ntrained moons@1  " in shell.ok("jobs", job[:chars], "--follow").stderr
    assert "there is no job whose id begins with 'nosuch'" in shell.run("jobs", "nosuch").stderr


def test_the_beginning_of_two_ids_names_neither(shell: Shell, moons: str) -> None:
    started = [shell.json("train", "many", *MOONS, "--budget.steps", 1)["id"] for _ in range(17)]
    first = next(char for char in "0123456789abcdef" if sum(each.startswith(char) for each in started) > 1)
    refused = shell.run("jobs", first, "--cancel")
    for each in started:
        shell.ok("jobs", each, "--cancel")
    assert refused.exit_code == 1
    assert "type more of it" in refused.stderr


def test_a_pipe_gets_plain_text_with_nothing_cut(shell: Shell, followed: Result, moons: str) -> None:
    for verb in ("jobs", "models", "presets", "families"):
        header, *lines = shell.ok(verb).stdout.splitlines()
        assert header == header.upper()
        assert lines
        assert not set("".join(lines)) & set("│┃━─╭╰…\x1b")
    assert followed.stderr.split()[1] in shell.ok("jobs").stdout.split()


LONG_NAME = "a-model-of-two-interleaved-half-circles"


@pytest.fixture(scope="module")
def long_name(shell: Shell) -> str:
    shell.ok("train", LONG_NAME, *MOONS, "--budget.steps", 1, "--follow")
    return LONG_NAME


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize(
    "words",
    [["families"], ["families", "flow"], ["families", "vae"], ["presets"], ["presets", "vae-digits"], ["models"]],
    ids=" ".join,
)
def test_a_listing_fits_the_terminal_and_loses_no_word(
    shell: Shell, moons: str, long_name: str, words: list[str], columns: int
) -> None:
    shown = shell.terminal(*words, columns=columns)
    tables = [line for line in shown if not line.startswith(("fields, as", "options of", "its run"))]
    assert max(map(len, tables[1:] if len(words) > 1 else tables)) <= columns  # a summary is broken by the terminal
    piped = shell.ok(*words).stdout.splitlines()
    names = [line.split()[0] for line in piped if line and not line.isupper()]
    assert set(names) <= {word for line in shown for word in line.split()}
    if words != ["models"]:  # numbers of models may be cut
        told = {word for line in piped if not line.split("  ")[0].isupper() for word in line.split()}
        assert told <= {word for line in shown for word in line.split()}


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_jobs_and_models_are_listed_with_their_names_and_states(
    shell: Shell, followed: Result, long_name: str, columns: int
) -> None:
    words = " ".join(shell.terminal("jobs", columns=columns)).split()
    assert {job["id"][:8] for job in shell.json("jobs")["jobs"]} <= {word[:8] for word in words}
    assert {"moons", long_name, "succeeded", "train", "20/20"} <= set(words)
    shown = " ".join(shell.terminal("models", columns=columns)).split()
    assert {"moons@1", f"{long_name}@1", "vae", "2"} <= set(shown)


def test_a_table_fits_the_terminal_and_keeps_its_names_whole(shell: Shell, followed: Result) -> None:
    job = followed.stderr.split()[1]
    shown = at_terminal(shell, "jobs", "--model", "moons", columns=60)
    assert max(map(len, shown.splitlines())) <= 60
    assert f"{job[:8]} " in shown
    assert job not in shown
    assert "moons@1" in at_terminal(shell, "models", columns=60)
    flags = at_terminal(shell, "families", "flow", columns=80)
    assert "--family.dequantization.transform.bins\n" in flags


def test_a_job_and_a_model_are_shown_a_line_a_field(shell: Shell, followed: Result) -> None:
    job = dict(line.split(None, 1) for line in shell.ok("jobs", followed.stderr.split()[1]).stdout.splitlines())
    assert job["model"] == "moons@1"
    assert job["progress"] == "20/20"
    model = shell.ok("models", "moons").stdout
    assert re.search(r"^family +vae$", model, re.MULTILINE)
    assert re.search(r"^validation_log_prob_nats_lower_bound +-?\d", model, re.MULTILINE)


def test_a_training_that_is_not_followed_says_how_to_follow_it(shell: Shell) -> None:
    started = shell.ok("train", "short", *MOONS, "--budget.steps", 1)
    assert re.fullmatch(r"job [0-9a-f]{16} trains short\n", started.stdout)
    assert f"pushforward jobs {started.stdout.split()[1][:8]} --follow" in started.stderr


def test_the_kind_of_a_field_is_enough(shell: Shell) -> None:
    words = ["--family", "flow", "--family.transform", "spline", "--family.transform.bins", 4, "--data", "digits"]
    job = shell.json("train", "short-flags", *words)
    shell.ok("jobs", job["id"], "--cancel")
    assert job["run"]["family"]["transform"] == {"transform": "spline", "bins": 4}
    changed = ["--preset", "vae-digits", "--family.likelihood", "gaussian", "--family.likelihood.scale", "per_element"]
    job = shell.json("train", "short-flags", *changed, "--family.objective.beta", 4)
    shell.ok("jobs", job["id"], "--cancel")
    assert job["run"]["family"]["likelihood"] == {"likelihood": "gaussian", "scale": "per_element"}
    assert job["run"]["family"]["objective"]["beta"] == 4


def test_the_end_of_an_ended_job_is_told(shell: Shell, followed: Result) -> None:
    job = followed.stderr.split()[1]
    assert shell.ok("jobs", job, "--cancel").stderr == f"job {job} had ended already: it succeeded\n"


def test_a_model_is_evaluated_and_its_report_is_a_table(shell: Shell, client: Client, moons: str) -> None:
    done = shell.ok("evaluate", moons, "--metrics", "mmd2, precision,coverage", "-n", 100, "--seed", 1)
    assert re.match(r"job [0-9a-f]{16} evaluates moons@1\n", done.stderr)
    assert "metric 3/3" in done.stderr
    head, columns, *rows = done.stdout.splitlines()
    assert head == "100 samples against 5000 held-out rows, seed 1:"
    assert columns.split() == ["METRIC", "SAMPLES", "TRAINING", "ROWS", "A", "GAUSSIAN", "IDEAL", "BETTER", "P-VALUE"]
    assert [row.split()[0] for row in rows] == ["mmd2", "precision", "coverage"]
    assert rows[0].split()[-2] == "lower"
    shown = shell.ok("models", moons).stdout
    assert done.stdout in shown
    report = client.get("/models/moons")["evaluation"]
    assert report["job"] == done.stderr.split()[1]
    assert shell.json("evaluate", moons, "--metrics", "mmd2", "-n", 60)["n"] == 60
    job = dict(line.split(None, 1) for line in shell.ok("jobs", report["job"]).stdout.splitlines())
    assert (job["kind"], job["samples"], job["progress"]) == ("evaluate", "100", "3/3")


def test_rows_of_a_file_are_compared_with(shell: Shell, up: Up, moons: str, tmp_path: Path) -> None:
    np.save(up.place.data_root / "far.npy", 50 + np.random.default_rng(0).standard_normal((60, 2)))
    source = tmp_path / "source.json"
    source.write_text(json.dumps({"source": "npy", "path": "far.npy"}))
    done = shell.ok("evaluate", moons, "--metrics", "precision", "-n", 60, "--against", source)
    assert "60 samples against 60 rows of npy, seed 0:" in done.stdout
    inline = shell.ok("evaluate", moons, "--metrics", "precision", "-n", 60, "--against", source.read_text())
    assert inline.stdout == done.stdout
    held_out = shell.ok("evaluate", moons, "--metrics", "precision", "-n", 60, "--against", "held_out")
    assert "60 samples against 5000 held-out rows, seed 0:" in held_out.stdout


def test_a_metric_that_there_is_not_is_refused_with_the_nearest(shell: Shell, moons: str) -> None:
    refused = shell.run("evaluate", moons, "--metrics", "recal")
    assert refused.exit_code == 1
    assert "metrics.0: there is no metric 'recal'; did you mean `recall`?" in refused.stderr


def test_a_training_has_no_file_to_write(shell: Shell, followed: Result, tmp_path: Path) -> None:
    refused = shell.run("jobs", followed.stderr.split()[1], "--out", tmp_path / "x.npy")
    assert refused.exit_code == 1
    assert "is a training, which leaves a model and no file" in refused.stderr
    assert "step" not in refused.stderr


def test_the_same_key_starts_one_job_and_it_can_be_cancelled(shell: Shell) -> None:
    command = ("train", "keyed", "--preset", "vae-digits", "--key", "monday")
    job = shell.json(*command)
    assert shell.json(*command)["id"] == job["id"]
    assert shell.json("jobs", job["id"], "--cancel")["cancel_requested"]
    followed = shell.run("jobs", job["id"], "--follow")
    assert followed.exit_code == 1
    assert followed.stderr.splitlines()[-1] == f"error job {job['id']} cancelled"


def test_a_run_is_read_from_a_file(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(DIGITS))
    job = shell.json("train", "filed", "--run", tmp_path / "run.json")
    shell.ok("jobs", job["id"], "--cancel")
    assert job["run"]["budget"]["steps"] == 5


def test_a_model_is_trained_further_and_a_cancelled_job_too(shell: Shell, client: Client, moons: str) -> None:
    shown = shell.ok("train", "further", "--start-from", moons, "--budget.steps", 10, "--follow")
    assert "continues moons@1 from step 20" in shown.stderr
    card = client.get("/models/further")
    assert (card["steps"], card["start_from"], card["started_at_step"]) == (30, "moons@1", 20)
    assert re.search(r"^start +moons@1 at step 20$", shell.ok("models", "further").stdout, re.MULTILINE)
    tuned = shell.json(
        "train", "further", "--start-from", moons, "--data.seed", 3, "--budget.seconds", 0.3, "--dry-run"
    )
    assert (tuned["run"]["start_from"], tuned["run"]["data"]["seed"]) == ("moons@1", 3)
    assert tuned["run"]["budget"] == {"steps": None, "epochs": None, "seconds": 0.3, "patience": None}
    job = shell.json("train", "endless", *MOONS, *ENDLESS)["id"]
    shell.ok("jobs", job, "--cancel")
    assert "cancelled" in shell.run("jobs", job, "--follow").stderr
    again = shell.json("train", "further", "--start-from", f"job:{job[:12]}", "--budget.steps", 5, "--dry-run")
    assert again["run"]["start_from"] == f"job:{job}"


def test_ctrl_c_while_following_leaves_the_job_running(shell: Shell, endless: str) -> None:
    with shell.process("jobs", endless, "--follow", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = b""
        while b"step" not in said:
            said += process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said += process.stderr.read()
    assert process.returncode == 130
    assert f"pushforward jobs {endless} --follow" in said.decode()
    assert "Traceback" not in said.decode()
    assert shell.json("jobs", endless)["state"] == "running"


def test_samples_come_as_json_as_an_array_and_as_a_picture(
    shell: Shell, moons: str, digits: str, tmp_path: Path
) -> None:
    answer = shell.json("sample", moons, "-n", 3, "--seed", 7)
    shell.ok("sample", moons, "-n", 3, "--seed", 7, "--npy", tmp_path / "s.npy")
    np.testing.assert_allclose(np.load(tmp_path / "s.npy"), answer["samples"], rtol=1e-5)
    assert shell.ok("sample", digits, "--png", tmp_path / "s.png").stderr == f"wrote {tmp_path / 's.png'}\n"
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.format == "PNG"


def test_an_array_goes_to_standard_output(shell: Shell, moons: str, rows: Path, tmp_path: Path) -> None:
    for words in (["sample", moons, "-n", "3", "--seed", "7"], ["likelihood", moons, "--x", str(rows)]):
        with shell.process(*words, "--npy", "-", stdout=subprocess.PIPE, cwd=tmp_path) as process:
            assert process.stdout is not None
            array = np.load(BytesIO(process.stdout.read()))
        assert process.returncode == 0
        assert len(array) == (3 if words[0] == "sample" else 2)
    assert [file.name for file in tmp_path.iterdir()] == ["x.npy"]


def test_the_largest_seed_is_taken_and_one_more_is_refused(shell: Shell, moons: str) -> None:
    assert shell.json("sample", moons, "--seed", 2**64 - 1)["seed"] == 2**64 - 1
    refused = shell.run("sample", moons, "--seed", 2**64)
    assert refused.exit_code == 2
    assert "--seed" in refused.stderr
    assert str(2**64 - 1) in refused.stderr


def test_rows_of_many_megabytes_are_scored_in_parts(shell: Shell, moons: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((12_345, 2))
    np.save(tmp_path / "x.npy", rows)
    shell.ok("encode", moons, "--x", tmp_path / "x.npy", "--npy", tmp_path / "z.npy")
    codes = np.load(tmp_path / "z.npy")
    assert codes.shape == (12_345, 2)
    np.save(tmp_path / "some.npy", rows[10_000:10_003])
    some = shell.json("encode", moons, "--x", tmp_path / "some.npy")["z"]
    np.testing.assert_allclose(codes[10_000:10_003], some, rtol=1e-4, atol=1e-5)
    whole = shell.json("encode", moons, "--x", tmp_path / "x.npy")
    np.testing.assert_allclose(whole["z"], codes, rtol=1e-4, atol=1e-5)
    assert whole["model"] == "moons@1"


def test_rows_are_translated_each_to_its_own_domain_in_parts_where_they_are_many(shell: Shell, tmp_path: Path) -> None:
    words = ("--family.family", "cyclegan", "--data.source", "turned_moons", "--data.condition", "label")
    shell.ok("train", "turning", *words, "--family.width", 8, "--budget.steps", 5, "--follow")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((6_000, 2)))
    for name, domain in (("from.npy", np.arange(6_000) % 2), ("to.npy", np.arange(6_000) % 3 % 2)):
        np.save(tmp_path / name, domain)
    told = ("--to", tmp_path / "to.npy", "--condition", tmp_path / "from.npy")
    whole = shell.json("translate", "turning", "--x", tmp_path / "x.npy", *told)
    assert whole["to"] == (np.arange(6_000) % 3 % 2).tolist()
    x = np.load(tmp_path / "x.npy")
    stays = np.arange(6_000) % 2 == np.arange(6_000) % 3 % 2
    np.testing.assert_allclose(np.array(whole["x"])[stays], x[stays], rtol=1e-6)
    np.save(tmp_path / "some.npy", x[5_500:5_503])
    shell.ok("translate", "turning", "--x", tmp_path / "some.npy", "--to", "[0,1,0]", "--condition", "[0,1,0]",
             "--npy", tmp_path / "y.npy")  # fmt: skip
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), x[5_500:5_503], rtol=1e-6)
    refused = shell.run("translate", "turning", "--x", tmp_path / "some.npy", "--to", "1")
    assert "condition: is missing; turning needs a label, 0 to 1" in " ".join(refused.stderr.split())


def test_a_large_sample_is_drawn_by_a_job_and_downloaded(shell: Shell, moons: str, tmp_path: Path) -> None:
    said = shell.ok("sample", moons, "-n", 120_000, "--seed", 7, "--out", tmp_path / "big.npy").stderr.splitlines()
    assert said[0].startswith("job ")
    assert said[0].endswith(" draws 120000 rows of moons@1")
    assert said[-2:] == ["drew 120000 rows of moons@1 with seed 7", f"wrote {tmp_path / 'big.npy'}"]
    rows = np.load(tmp_path / "big.npy", mmap_mode="r")
    assert rows.shape == (120_000, 2)
    answer = shell.json("sample", moons, "-n", 3, "--seed", 7)
    np.testing.assert_allclose(rows[:3], answer["samples"], rtol=1e-5, atol=1e-6)
    job = said[0].split()[1]
    shell.ok("jobs", job, "--out", tmp_path / "again.npy")
    assert (tmp_path / "again.npy").read_bytes() == (tmp_path / "big.npy").read_bytes()
    told = dict(line.split(None, 1) for line in shell.ok("jobs", job).stdout.splitlines())
    assert (told["rows"], told["seed"]) == ("120000", "7")
    assert told["file"] == f"{(tmp_path / 'big.npy').stat().st_size} bytes"


def test_a_sample_too_large_for_an_answer_says_which_job_draws_it(shell: Shell, moons: str, tmp_path: Path) -> None:
    asked = shell.ok("sample", moons, "-n", 100_001)
    job = json.loads(asked.stdout)
    assert job["kind"] == "sample"
    assert f"pushforward jobs {job['id']} --out FILE" in asked.stderr
    shell.ok("jobs", job["id"], "--cancel")
    shell.ok("sample", moons, "-n", 100_001, "--npy", tmp_path / "rows.npy")
    assert np.load(tmp_path / "rows.npy", mmap_mode="r").shape == (100_001, 2)


def test_a_likelihood_takes_the_options_of_the_family(shell: Shell, moons: str, rows: Path) -> None:
    one = shell.json("likelihood", moons, "--x", rows, "-o", "k=1")
    many = shell.json("likelihood", moons, "--x", rows, "-o", "k=100")
    assert one["kind"] == "lower_bound"
    assert one["log_prob"] != many["log_prob"]


def test_rows_are_placed_among_held_out_rows(
    shell: Shell, client: Client, moons: str, rows: Path, tmp_path: Path
) -> None:
    answer = shell.json("score", moons, rows, "--false-alarm-rate", 0.1)
    assert answer["log_prob"] == shell.json("likelihood", moons, "--x", rows)["log_prob"]
    assert (answer["held_out_rows"], len(answer["p_value"])) == (512, 2)
    by_client = client.score(moons, np.load(rows), false_alarm_rate=0.1)
    assert by_client | {"timing": None} == answer | {"timing": None}
    assert shell.json("score", moons, "-", stdin=json.dumps([[90.0, 90.0]]))["flagged"] == [True]
    shell.ok("score", moons, rows, "--npy", tmp_path / "p.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), answer["p_value"])


def test_files_of_tables_are_scored_as_they_are(shell: Shell, up: Up, tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).standard_normal((300, 2)).tolist()
    table = "width,height\n" + "".join(f"{w},{h}\n" for w, h in numbers)
    (up.place.data_root / "sizes.csv").write_text(table)
    data = ["--data.source", "table", "--data.path", "sizes.csv", "--budget.steps", "5"]
    shell.ok("train", "sizes", "--family.family", "flow", *data, "--follow")
    (tmp_path / "new.csv").write_text("width,height\n0.5,0.25\n90,90\n")
    (tmp_path / "new.json").write_text(json.dumps([{"width": 0.5, "height": 0.25}, {"width": 90, "height": 90}]))
    answer = shell.json("score", "sizes", tmp_path / "new.csv", "--false-alarm-rate", 0.1)
    assert (answer["held_out_rows"], answer["flagged"]) == (30, [False, True])
    by_records = shell.json("score", "sizes", tmp_path / "new.json", "--false-alarm-rate", 0.1)
    assert by_records | {"timing": None} == answer | {"timing": None}
    shell.ok("score", "sizes", tmp_path / "new.csv", "--npy", tmp_path / "p.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), answer["p_value"])
    missing = shell.run("score", "sizes", tmp_path / "none.csv")
    assert (missing.exit_code, "there is no file" in missing.stderr) == (1, True)
    likelihoods = shell.json("likelihood", "sizes", "--x", tmp_path / "new.csv")["log_prob"]
    assert likelihoods == shell.json("likelihood", "sizes", "--x", tmp_path / "new.json")["log_prob"]
    assert likelihoods == answer["log_prob"]

    drawn = shell.json("sample", "sizes", "-n", 3, "--seed", 7)["records"]
    for name, opened in (("a.csv", csv.read_csv), ("a.parquet", parquet.read_table), ("a.arrow", feather.read_table)):
        shell.ok("sample", "sizes", "-n", 3, "--seed", 7, "--output", tmp_path / name)
        assert opened(tmp_path / name).to_pylist() == drawn, name
    printed = shell.ok("sample", "sizes", "-n", 3, "--seed", 7, "--output", "-").stdout
    assert printed == (tmp_path / "a.csv").read_text()
    shell.ok("sample", "sizes", "-n", 3, "--seed", 7, "--out", tmp_path / "of-a-job.parquet")
    assert parquet.read_table(tmp_path / "of-a-job.parquet").num_rows == 3

    (tmp_path / "holes.csv").write_text("width,height\n0.5,\n,0.25\n")
    (tmp_path / "holes.json").write_text(json.dumps([{"width": 0.5}, {"height": 0.25}]))
    whole = shell.json("complete", "sizes", "--x", tmp_path / "holes.csv", "-n", 2)["records"]
    assert [row["width"] for row in whole[:2]] + [row["height"] for row in whole[2:]] == [0.5, 0.5, 0.25, 0.25]
    assert shell.json("complete", "sizes", "--x", tmp_path / "holes.json", "-n", 2)["records"] == whole
    shell.ok("complete", "sizes", "--x", tmp_path / "holes.csv", "-n", 2, "--output", tmp_path / "whole.csv")
    assert csv.read_csv(tmp_path / "whole.csv").to_pylist() == whole


def test_rows_are_encoded_decoded_and_reconstructed(shell: Shell, moons: str, rows: Path, tmp_path: Path) -> None:
    z = shell.json("encode", moons, "--x", "-", stdin=json.dumps(X))["z"]
    shell.ok("encode", moons, "--x", rows, "--npy", tmp_path / "z.npy")
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), z, rtol=1e-5)
    decoded = shell.json("decode", moons, "--z", tmp_path / "z.npy")["x"]
    np.testing.assert_allclose(shell.json("reconstruct", moons, "--x", rows)["x"], decoded, rtol=1e-4, atol=1e-5)


def test_a_walk_goes_from_row_to_row_or_from_seed_to_seed(shell: Shell, moons: str, rows: Path) -> None:
    between_rows = shell.json("interpolate", moons, "--ends", rows, "--steps", 3, "--path", "linear")["x"]
    ends = shell.json("reconstruct", moons, "--x", rows)["x"]
    np.testing.assert_allclose(np.array(between_rows)[[0, -1]], ends, rtol=1e-4, atol=1e-5)
    assert len(shell.json("interpolate", moons, "--start-seed", 1, "--end-seed", 2, "--steps", 5)["x"]) == 5


def test_models_are_listed_shown_and_deleted(shell: Shell, moons: str, digits: str) -> None:
    table = shell.ok("models").stdout
    assert "moons@1" in table
    assert "1x8x8" in table
    assert shell.json("models", moons)["data_fingerprint"]
    assert shell.ok("models", "digits@1", "--delete").stderr == "deleted digits@1\n"
    assert shell.run("models", "digits").exit_code == 1


REFUSALS = {
    "an unknown family": (["families", "vea"], "there is no family 'vea'; there are: "),
    "an unknown preset": (["presets", "digits"], "there is no preset 'digits'"),
    "a misspelt preset": (["presets", "vae-digts"], "did you mean vae-digits"),
    "no run": (["train", "m"], "give --preset, --start-from, --run or a run in flags"),
    "two runs": (["train", "m", "--run", "run.json", "--seed", "1"], "one of them"),
    "a run of no preset": (["train", "m", "--preset", "vea", "--seed", "1"], "`pushforward presets` lists them all"),
    "a misspelt change": (
        ["train", "m", "--preset", "vae-digits", "--family.latnet", "1"],
        "run.family.latnet: is not",
    ),
    "a run of an unknown family": (
        ["train", "m", "--family.family", "vea"],
        "run.family: there is no 'vea'; choose",
    ),
    "a misspelt field": (
        ["train", "m", *MOONS, "--family.latnet", "3"],
        "run.family.latnet: is not a known field",
    ),
    "a flag without a value": (["train", "m", "--family.family", "--data.source", "digits"], "needs a value"),
    "a flag within a value": (["train", "m", "--seed", "1", "--seed.x", "2"], "another flag gave a value"),
    "an unknown flag": (["train", "m", "--follw"], "did you mean --follow?"),
    "a misspelt preset flag": (["train", "m", "--presset", "vae-digits"], "did you mean --preset"),
    "a misspelt part of a run": (["train", "m", "--famly.latent", "4"], "did you mean --family.latent?"),
    "an unknown kind": (
        ["train", "m", "--family", "vae", "--family.likelihood", "bernouli", "--data", "digits"],
        "there is no 'bernouli'; choose one of",
    ),
    "a field of another kind than the preset's": (
        ["train", "m", "--preset", "vae-digits", "--family.objective.k", "4"],
        "is a field of iwae, not of elbo: give --family.objective iwae too",
    ),
    "a word too many": (["train", "m", "vae"], "'vae' was not expected"),
    "a bad model name": (["train", "No Name", "--preset", "vae-digits"], "model: must be lowercase letters"),
    "a run that is no file": (["train", "m", "--run", "nowhere.json"], "there is no file nowhere.json"),
    "an unknown job": (["jobs", "0123456789abcdef"], "there is no job"),
    "following an unknown job": (["jobs", "0123456789abcdef", "--follow"], "there is no job"),
    "cancelling no job": (["jobs", "--cancel"], "which job?"),
    "an unknown state": (["jobs", "--state", "done"], "state: must be one of queued, "),
    "deleting no model": (["models", "--delete"], "which model?"),
    "an unknown model": (["sample", "nobody"], "there is no model 'nobody'"),
    "a name without a format": (["sample", "moons", "--output", "a.txt"], "tells no format"),
    "an output beside an array": (["sample", "moons", "--output", "a.csv", "--npy", "a.npy"], "one of them"),
    "two media": (["sample", "moons", "--png", "a.png", "--npy", "a.npy"], "one of them"),
    "a file that cannot be written": (["sample", "moons", "--npy", "/nowhere/a.npy"], "/nowhere/a.npy cannot be"),
    "a file beside a file": (["sample", "moons", "--out", "a.npy", "--npy", "b.npy"], "one of them"),
    "a file in no folder": (["sample", "moons", "--out", "/nowhere/a.npy"], "there is no folder /nowhere"),
    "the file of no job": (["jobs", "--out", "a.npy"], "which job?"),
    "an unknown option": (
        ["likelihood", "moons", "--x", "-", "-o", "kk=3"],
        "options.kk: is not a known field",
    ),
    "an option without a value": (["likelihood", "moons", "--x", "-", "-o", "k"], "must be KEY=VALUE"),
    "rows that are no file": (["encode", "moons", "--x", "nowhere.npy"], "there is no file nowhere.npy"),
    "rows of another shape": (["decode", "moons", "--z", "-"], "z: has shape [1, 3]; send at least one code: [n, 2]"),
    "one end": (["interpolate", "moons", "--ends", "-"], "two rows"),
    "rows in a table of text": (["encode", "moons", "--x", "README.md"], "README.md is not JSON: "),
    "rows in a folder": (["encode", "moons", "--x", "docs"], "docs is a folder; give a file"),
    "a job's file in no folder": (["jobs", "0123456789abcdef", "--out", "/nowhere/a.npy"], "there is no"),
    "no ends": (["interpolate", "moons"], "give --ends, or --start-seed and --end-seed"),
    "more rows than JSON brings": (["sample", "moons", "-n", "20000"], "up to 100000 as an array: --npy FILE"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_says_why_without_a_trace(shell: Shell, moons: str, case: str) -> None:
    words, why = REFUSALS[case]
    refused = shell.run(*words, stdin="[[1, 2, 3]]")
    assert refused.exit_code == 1, refused.output
    assert refused.stderr.startswith("error ")
    assert why in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.output
    assert refused.exception is None or isinstance(refused.exception, SystemExit)


@pytest.mark.parametrize("verb", [["models"], ["sample", "moons"], ["jobs", "0123456789abcdef", "--follow"]])
def test_where_nothing_answers_it_says_what_to_start(verb: list[str]) -> None:
    refused = Shell(f"http://127.0.0.1:{free_port()}").run(*verb)
    assert refused.exit_code == 1
    assert "`pushforward up`" in refused.stderr


def test_an_address_needs_no_scheme(shell: Shell, up: Up) -> None:
    assert Shell(f"127.0.0.1:{up.place.http_port}").json("models") == shell.json("models")


def test_an_address_that_is_none_is_refused() -> None:
    refused = Shell("http://127.0.0.1:port").run("models")
    assert refused.exit_code == 1
    assert "is not an address" in refused.stderr


def at_terminal(shell: Shell, *words: str, columns: int) -> str:
    """What a terminal of so many columns shows, without its colors."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with shell.process(*words, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    assert process.returncode == 0, shown
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "")


def _read(descriptor: int) -> bytes:
    """Empty at the end, which a terminal reports as an error."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
