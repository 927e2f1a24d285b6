"""The wheel: one package to import, and a base install that is enough for a client."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SOURCES = ("pushforward", "models", "service", "pyproject.toml", "README.md", "LICENSE")
CLIENT = ("httpx", "numpy")  # what the base install pulls

PROGRAM = """
import sys
absent = set(sys.argv[2:])
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv[1])
import pushforward
from pushforward import AsyncClient, Client
from pushforward.service.client import Client as Before
with Client("http://127.0.0.1:9"), Before("http://127.0.0.1:9"):
    AsyncClient("http://127.0.0.1:9")
    print(pushforward.__file__)
from pushforward.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy, for a build leaves folders beside its sources."""
    place = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place / name)
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([*pip, "--wheel-dir", place / "dist", place], check=True, capture_output=True, timeout=120)
    (built,) = (place / "dist").glob("*.whl")
    return built


def test_a_wheel_installs_one_package_with_all_that_is_in_the_repository(wheel: Path) -> None:
    names = [name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"pushforward"}
    files = (
        file
        for name in ("models", "service", "pushforward/client")
        for file in (ROOT / name).rglob("*")
        if file.is_file()
    )
    inside = (file.relative_to(ROOT) for file in files if "__pycache__" not in file.parts)
    ours = {f"{file}" if file.parts[0] == "pushforward" else f"pushforward/{file}" for file in inside}
    assert {"pushforward/models/family.py", "pushforward/service/jobs/jobs.lua", "pushforward/client/errors.py"} <= ours
    assert ours | {
        "pushforward/__init__.py",
        "pushforward/__main__.py",
        "pushforward/py.typed",
        "pushforward/sklearn.py",
    } == set(names)


def test_the_base_install_is_enough_for_a_client_and_the_command_line_says_what_it_needs(
    wheel: Path, tmp_path: Path
) -> None:
    ZipFile(wheel).extractall(tmp_path)
    enough = needed("pushforward")
    absent = [name for name, owners in packages_distributions().items() if not enough & {normal(o) for o in owners}]
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, str(tmp_path), *absent], capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.strip() == str(tmp_path / "pushforward" / "__init__.py")
    assert done.returncode == 1
    assert (
        done.stderr.strip() == "typer is not installed; the command line comes with: pip install 'pushforward[server]'"
    )


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(name: str) -> set[str]:
    """What a distribution needs here, without extras."""
    found = map(Requirement, requires(name) or [])
    return {normal(each.name) for each in found if each.marker is None or each.marker.evaluate({"extra": ""})}


def needed(name: str) -> set[str]:
    """A distribution and all it needs."""
    found, todo = set[str](), [name]
    while todo:
        if (each := todo.pop()) not in found:
            found.add(each)
            todo += required(each)
    return found


def test_the_base_install_asks_for_no_more() -> None:
    assert required("pushforward") == set(CLIENT)
