"""docker-compose.yml and docker/: what they promise, and that their very commands run outside docker too."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from pushforward.service.local import redis_server
from pushforward.service.local.up import free_port, free_ports
from pushforward.service.settings import Settings

ROOT = Path(__file__).parents[2]
PASSWORD = "a-secret-of-this-test"
OF_ONE_MACHINE = ("REDIS_PASSWORD", "HTTP_PORT", "GRPC_PORT", "METRICS_FOLDER")  # of no use in a container


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def dockerfile_exec(name: str, instruction: str) -> list[str]:
    """The exec-form argument of CMD or HEALTHCHECK ... CMD."""
    text = (ROOT / "docker" / f"{name}.Dockerfile").read_text()
    pattern = r"^HEALTHCHECK .*?CMD (\[.*\])$" if instruction == "HEALTHCHECK" else r"^CMD (\[.*\])$"
    found = re.search(pattern, text, re.MULTILINE)
    assert found, f"{name}.Dockerfile has no {instruction} in exec form"
    return yaml.safe_load(found.group(1))


def dockerfile_env(name: str) -> dict[str, str]:
    text = (ROOT / "docker" / f"{name}.Dockerfile").read_text().replace("\\\n", " ")
    pairs = [word.partition("=") for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE) for word in line.split()]
    return {key: value for key, _, value in pairs}


class TestWhatIsPromised:
    def test_redis_keeps_jobs_and_never_evicts_and_wants_a_password(self, compose: dict[str, Any]) -> None:
        command = " ".join(compose["services"]["redis"]["command"])
        for words in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass", "/run/secrets/"):
            assert words in command
        assert "ports" not in compose["services"]["redis"]

    @pytest.mark.parametrize("name", ["redis", "gateway", "worker"])
    def test_every_container_is_hardened(self, compose: dict[str, Any], name: str) -> None:
        container = compose["services"][name]
        assert container["read_only"]
        assert container["cap_drop"] == ["ALL"]
        assert container["security_opt"] == ["no-new-privileges:true"]

    @pytest.mark.parametrize("name", ["gateway", "worker"])
    def test_images_do_not_run_as_root(self, name: str) -> None:
        assert re.search(r"^USER 10001$", (ROOT / "docker" / f"{name}.Dockerfile").read_text(), re.MULTILINE)

    def test_the_gateway_image_installs_no_torch(self) -> None:
        instructions = re.sub(r"^#.*$", "", (ROOT / "docker" / "gateway.Dockerfile").read_text(), flags=re.MULTILINE)
        assert "torch" not in instructions
        assert "[worker]" not in instructions

    def test_only_a_worker_may_run_code_from_its_temporary_folder(self, compose: dict[str, Any]) -> None:
        may = {
            name: "exec" in each["tmpfs"][0].partition(":")[2].split(",") for name, each in compose["services"].items()
        }
        assert may == {"redis": False, "gateway": False, "worker": True}

    def test_the_override_gives_each_worker_a_gpu_of_its_own(self) -> None:
        workers = yaml.safe_load((ROOT / "docker" / "gpu.yml").read_text())["services"]
        ids = list[str]()
        for worker in workers.values():
            (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
            assert device["capabilities"] == ["gpu"]
            assert worker["environment"]["PUSHFORWARD_DEVICE"] == "cuda"
            ids += device["device_ids"]
        assert ids == ["0", "1", "2", "3"]
        assert "profiles" not in workers["worker"]

    def test_the_override_for_trainings_on_two_gpus_gives_one_worker_both(self) -> None:
        (worker,) = yaml.safe_load((ROOT / "docker" / "two-gpus.yml").read_text())["services"].values()
        (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
        assert device["device_ids"] == ["0", "1"]
        assert worker["environment"]["PUSHFORWARD_DEVICE"] == "cuda"

    def test_the_worker_of_kubernetes_has_two_gpus_the_release_and_what_compose_promises(
        self, compose: dict[str, Any]
    ) -> None:
        pod = yaml.safe_load((ROOT / "docker" / "kubernetes" / "two-gpus.yml").read_text())["spec"]["template"]["spec"]
        (worker,) = pod["containers"]
        assert worker["resources"]["limits"]["nvidia.com/gpu"] == 2
        assert worker["image"] == compose["services"]["worker"]["image"].replace("${TAG:-", "").rstrip("}")
        assert worker["securityContext"]["readOnlyRootFilesystem"]
        assert {mount["name"] for mount in worker["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        names = {variable["name"].removeprefix("PUSHFORWARD_").lower() for variable in worker["env"]}
        assert names <= set(Settings.model_fields)

    @pytest.mark.parametrize("name", ["gateway", "worker"])
    def test_images_are_built_of_the_versions_that_are_tested_and_dependencies_come_before_the_source(
        self, name: str
    ) -> None:
        text = (ROOT / "docker" / f"{name}.Dockerfile").read_text().replace("\\\n", " ")
        installs = re.findall(r"pip install .*", text)
        assert all("constraint" in install or "--no-deps" in install or "^torch==" in install for install in installs)
        assert text.index("--constraint constraints.txt") < text.index("COPY models") < text.index("--no-deps")

    @pytest.mark.parametrize("name", ["gateway", "worker"])
    def test_images_are_tagged_with_the_release(self, compose: dict[str, Any], name: str) -> None:
        release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        assert compose["services"][name]["image"] == f"pushforward-{name}:${{TAG:-{release}}}"

    @pytest.mark.parametrize("name", ["gateway", "worker"])
    def test_settings_reach_the_containers(self, compose: dict[str, Any], name: str) -> None:
        assert compose["services"][name]["env_file"] == [{"path": ".env", "required": False}]

    def test_the_example_of_the_settings_names_each_that_compose_does_not_set(self, compose: dict[str, Any]) -> None:
        example = set(re.findall(r"^# (PUSHFORWARD_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
        known = {f"PUSHFORWARD_{name.upper()}" for name in Settings.model_fields}
        fixed = {name for service in compose["services"].values() for name in service.get("environment", {})}
        fixed |= dockerfile_env("gateway").keys() | dockerfile_env("worker").keys()
        assert example <= known
        left_open = known - fixed - {f"PUSHFORWARD_{name}" for name in OF_ONE_MACHINE}
        assert left_open <= example

    @pytest.mark.parametrize("name", ["redis", "gateway", "worker"])
    def test_memory_and_logs_are_bounded(self, compose: dict[str, Any], name: str) -> None:
        assert compose["services"][name]["mem_limit"]
        assert set(compose["services"][name]["logging"]["options"]) == {"max-size", "max-file"}

    def test_the_port_is_bound_to_loopback_unless_asked_otherwise(self, compose: dict[str, Any]) -> None:
        assert all("127.0.0.1" in port for port in compose["services"]["gateway"]["ports"])

    def test_the_ports_of_a_worker_are_for_the_network_of_the_service_only(self, compose: dict[str, Any]) -> None:
        worker = compose["services"]["worker"]
        ports = [worker["environment"][f"PUSHFORWARD_{what}_PORT"] for what in ("METRICS", "WORKER")]
        assert worker["expose"] == ports
        assert "ports" not in worker

    def test_every_named_volume_and_secret_is_declared(self, compose: dict[str, Any]) -> None:
        for container in compose["services"].values():
            sources = {volume.rpartition(":/")[0] for volume in container["volumes"]}
            assert {source for source in sources if source.isidentifier()} <= set(compose["volumes"])
            assert set(container["secrets"]) <= set(compose["secrets"])

    def test_secrets_are_files_as_read_only_containers_need_them(self, compose: dict[str, Any]) -> None:
        for secret in compose["secrets"].values():
            assert secret["file"] in (ROOT / ".gitignore").read_text().split()
            assert secret["file"] in (ROOT / ".dockerignore").read_text().split()

    @pytest.mark.parametrize("name", ["gateway", "worker"])
    def test_the_folders_of_the_volumes_belong_to_the_user_of_the_image(
        self, compose: dict[str, Any], name: str
    ) -> None:
        targets = {volume.partition(":/")[2].partition(":")[0] for volume in compose["services"][name]["volumes"]}
        (made,) = re.findall(
            r"install --directory --owner 10001 --group 10001 (.*)$",
            (ROOT / "docker" / f"{name}.Dockerfile").read_text(),
            re.MULTILINE,
        )
        assert {f"/{target}" for target in targets} == set(made.split())


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "redis_password"
    file.write_text(PASSWORD + "\n")
    return file


@pytest.fixture
def composed(compose: dict[str, Any], tmp_path: Path, secret: Path) -> Iterator[dict[str, Any]]:
    """The three containers' very commands, with their environment, on this machine's ports and folders."""
    redis_port, http_port, grpc_port, metrics_port = free_ports(4)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(redis_server.find())
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    replaced = {
        "/run/secrets/redis_password": str(secret),
        "redis://redis:6379/0": f"redis://127.0.0.1:{redis_port}/0",
        "$$": "$",
    }
    places = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "VIRTUAL_ENV": sys.prefix,
        "PUSHFORWARD_STORE": str(tmp_path / "store"),
        "PUSHFORWARD_DATA_ROOT": str(tmp_path / "data"),
        "PUSHFORWARD_HTTP_HOST": "127.0.0.1",
        "PUSHFORWARD_GRPC_HOST": "127.0.0.1",
        "PUSHFORWARD_HTTP_PORT": str(http_port),
        "PUSHFORWARD_GRPC_PORT": str(grpc_port),
        "PUSHFORWARD_WORKER_HOST": "127.0.0.1",
        "PUSHFORWARD_WORKER_PORT": "0",
        "PUSHFORWARD_METRICS_HOST": "127.0.0.1",
        "PUSHFORWARD_METRICS_PORT": str(metrics_port),
        "HOME": str(tmp_path),
    }
    (tmp_path / "store").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "redis").mkdir()

    def localize(text: str) -> str:
        for original, here in replaced.items():
            text = text.replace(original, here)
        return re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text)

    def environment(name: str) -> dict[str, str]:
        declared = {key: localize(value) for key, value in compose["services"][name]["environment"].items()}
        return {**dockerfile_env(name), **declared, **places}

    def python(command: list[str]) -> list[str]:
        assert command[0] == "python"
        return [sys.executable, *command[1:]]

    redis_command = [localize(word) for word in compose["services"]["redis"]["command"]]
    redis_command[-1] += f" --port {redis_port} --bind 127.0.0.1"
    log = (tmp_path / "log").open("ab")
    options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "start_new_session": True}
    processes = [
        subprocess.Popen(redis_command, cwd=tmp_path / "redis", env={**os.environ, **places}, **options),
        *(
            subprocess.Popen(python(dockerfile_exec(name, "CMD")), cwd=tmp_path, env=environment(name), **options)
            for name in ("worker", "gateway")
        ),
    ]
    yield {
        "url": f"http://127.0.0.1:{http_port}",
        "metrics": f"http://127.0.0.1:{metrics_port}/metrics",
        "environment": environment,
        "python": python,
        "log": tmp_path / "log",
    }
    for process in reversed(processes):
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    log.close()


def test_the_composed_commands_serve_and_their_health_checks_agree(composed: dict[str, Any]) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        try:
            if httpx.get(f"{composed['url']}/readyz", timeout=2).status_code == 200:
                break
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    else:
        pytest.fail(composed["log"].read_text()[-3000:])
    for name in ("gateway", "worker"):
        check = composed["python"](dockerfile_exec(name, "HEALTHCHECK"))
        done = subprocess.run(check, env=composed["environment"](name), capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, (name, shlex.join(check), done.stderr.decode())
    assert "# TYPE pushforward_worker_models gauge" in httpx.get(composed["metrics"], timeout=5).text
    assert "# TYPE pushforward_requests_total counter" in httpx.get(f"{composed['url']}/metrics", timeout=5).text


def test_a_health_check_fails_where_nothing_runs(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PUSHFORWARD_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "PUSHFORWARD_HTTP_PORT": str(free_port()),
    }
    for name in ("gateway", "worker"):
        check = [sys.executable, *dockerfile_exec(name, "HEALTHCHECK")[1:]]
        assert subprocess.run(check, env=environment, capture_output=True, timeout=30, check=False).returncode != 0


def test_redis_does_not_start_without_its_password(compose: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "redis-server").write_text("#!/bin/sh\necho started\n")
    (tmp_path / "redis-server").chmod(0o755)
    for file in ("empty", "absent"):
        words = [
            word.replace("$$", "$").replace("/run/secrets/redis_password", str(tmp_path / file))
            for word in compose["services"]["redis"]["command"]
        ]
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 1
        assert "chmod 644 docker/redis_password.txt" in done.stderr
        assert "started" not in done.stdout


def test_a_password_that_cannot_be_read_is_told_with_the_remedy(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PUSHFORWARD_REDIS_PASSWORD_FILE": str(tmp_path / "absent")}
    for module in ("pushforward.service.gateway", "pushforward.service.worker"):
        command = [sys.executable, "-m", module]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert "chmod 644" in done.stderr
        assert "Traceback" not in done.stderr
