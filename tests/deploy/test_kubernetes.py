"""docker/kubernetes/: manifests that the API would accept, of this release, hardened, and of one mind with compose."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from pushforward.service.settings import Settings
from pushforward.service.telemetry.worker import WorkerTelemetry

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "docker" / "kubernetes"
BUILT = ("base", "overlays/gpu", "overlays/keda")
VERSIONS = ("1.29", "1.37")
CUSTOM = {"PodMonitor", "ScaledObject"}  # of operators; the API's schemas do not know them
Manifest = dict[str, Any]


def built(folder: Path) -> list[Manifest]:
    """What `kubectl kustomize` builds, of the fields that ours use: resources, and patches merged by kind and name."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(kustomization) <= {"apiVersion", "kind", "resources", "patches"}
    found = list[Manifest]()
    for name in kustomization["resources"]:
        place = (folder / name).resolve()
        found += built(place) if place.is_dir() else yaml.safe_load_all(place.read_text())
    for patch in kustomization.get("patches", ()):
        (change,) = yaml.safe_load_all((folder / patch["path"]).read_text())
        (at,) = [i for i, each in enumerate(found) if named(each) == named(change)]
        found[at] = merged(found[at], change)
    return found


def named(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def merged(old: Any, new: Any) -> Any:
    """A strategic merge: objects by their fields, lists of named objects by name, all else replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: merged(old.get(name), value) for name, value in new.items()}}
    if isinstance(old, list) and all(isinstance(each, dict) and "name" in each for each in (*old, *new)):
        by_name = {each["name"]: each for each in old}
        return list({**by_name, **{each["name"]: merged(by_name.get(each["name"]), each) for each in new}}.values())
    return new


@pytest.fixture(params=BUILT)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return built(KUBERNETES / request.param)


def of(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The pods' labels' owner by name, and their template."""
    for each in manifests:
        if each["kind"] in ("Deployment", "StatefulSet"):
            yield each["metadata"]["name"], each["spec"]["template"]


def containers(manifests: list[Manifest]) -> Iterator[Manifest]:
    for _, pod in pods(manifests):
        yield from pod["spec"]["containers"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_accepts_every_manifest(manifests: list[Manifest], version: str) -> None:
    known = [each for each in manifests if each["kind"] not in CUSTOM]
    assert len(known) >= 14
    for manifest in known:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_field_that_the_api_does_not_know_is_found_out(manifests: list[Manifest]) -> None:
    wrong = merged(of(manifests, "Service")["redis"], {"spec": {"selektor": {"app": "redis"}}})
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_every_container_is_hardened_and_probed(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        assert pod["spec"]["securityContext"]["runAsNonRoot"], name
        assert not pod["spec"]["automountServiceAccountToken"], name
        assert not pod["spec"]["enableServiceLinks"], name  # they would be PUSHFORWARD_ variables
    for container in containers(manifests):
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        assert "memory" in container["resources"]["limits"]


def test_every_variable_is_a_setting(manifests: list[Manifest]) -> None:
    settings = {f"PUSHFORWARD_{name.upper()}" for name in Settings.model_fields}
    given = {each["name"] for container in containers(manifests) for each in container.get("env", ())}
    assert given | set(of(manifests, "ConfigMap")["pushforward-settings"]["data"]) <= settings


def test_images_users_and_stop_times_are_those_of_compose(manifests: list[Manifest]) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, pod in pods(manifests):
        service = compose[name.removeprefix("pushforward-")]
        (container,) = pod["spec"]["containers"]
        assert container["image"] == re.sub(r"\$\{TAG:-(.*)\}", r"\1", service["image"])
        stop_s = int(service["stop_grace_period"].removesuffix("s"))
        assert pod["spec"]["terminationGracePeriodSeconds"] >= stop_s
    redis = dict(pods(manifests))["redis"]["spec"]
    user = f"{redis['securityContext']['runAsUser']}:{redis['securityContext']['runAsGroup']}"
    assert user == compose["redis"]["user"]


def test_selectors_ports_claims_and_secrets_lead_somewhere(manifests: list[Manifest]) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests)}
    ports = {name: ports_of(pod) for name, pod in pods(manifests)}
    for service in of(manifests, "Service").values():
        (target,) = [name for name, each in labels.items() if each == service["spec"]["selector"]]
        assert {each["targetPort"] for each in service["spec"]["ports"]} <= ports[target]
    for policy in of(manifests, "NetworkPolicy").values():
        (target,) = [name for name, each in labels.items() if each == policy["spec"]["podSelector"]["matchLabels"]]
        wanted = {each["port"] for rule in policy["spec"]["ingress"] for each in rule["ports"]}
        assert wanted <= ports[target]
    claims = set(of(manifests, "PersistentVolumeClaim"))
    (secret,) = yaml.safe_load_all((KUBERNETES / "base" / "secret.example.yml").read_text())
    for _, pod in pods(manifests):
        for volume in pod["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
            if "secret" in volume:
                assert volume["secret"]["secretName"] == secret["metadata"]["name"]


def ports_of(pod: Manifest) -> set[str]:
    return {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}


def test_the_overlay_gives_the_worker_a_gpu_that_is_free_before_the_next_starts() -> None:
    worker = of(built(KUBERNETES / "overlays/gpu"), "Deployment")["pushforward-worker"]
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"name": "PUSHFORWARD_DEVICE", "value": "cuda"} in container["env"]
    assert {"name": "PUSHFORWARD_WORKER_PORT", "value": "9200"} in container["env"]  # of the base
    assert worker["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0


def test_workers_are_scaled_by_a_metric_that_they_expose() -> None:
    manifests = built(KUBERNETES / "overlays/keda")
    scaled = of(manifests, "ScaledObject")["pushforward-worker"]["spec"]
    assert scaled["scaleTargetRef"]["name"] in of(manifests, "Deployment")
    assert scaled["minReplicaCount"] >= 1
    (monitor,) = of(manifests, "PodMonitor").values()
    assert {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]} <= ports_of(
        of(manifests, "Deployment")["pushforward-worker"]["spec"]["template"]
    )
    for trigger in scaled["triggers"]:
        for name in re.findall(r"pushforward_\w+", trigger["metadata"]["query"]):
            assert name in exposed(), name


def exposed() -> set[str]:
    """The metrics of a worker."""
    return {each.name for each in WorkerTelemetry("").metrics.families}
