import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pushforward.models.families.flow import Flow
from pushforward.models.family import Decodes
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.storage.model import Model, load_model
from pushforward.service.engine.compile.compiler import Compiler
from pushforward.service.engine.compile.served import ServedNet
from tests.service.models_on_disk import put_model, put_steps

CPU = torch.device("cpu")


@pytest.fixture
def compiler() -> Iterator[Compiler]:
    """It compiles what was called once."""
    compiler = Compiler(CPU, 1, pays_after_s=1e-9, nice=0)
    yield compiler
    compiler.close()


def decoded(model: Model, rows: int) -> Tensor:
    assert isinstance(model.family, Decodes)
    with torch.no_grad():
        z = torch.linspace(-2, 2, 2 * rows).view(rows, 2)
        return model.family.decode(model.nets, z, no_condition(z))


def is_compiled(model: Model, name: str) -> bool:
    net = model.nets[name]
    assert isinstance(net, ServedNet)
    return net.calls["forward"].is_compiled


@pytest.mark.timeout(600)
def test_one_compilation_serves_all_versions_at_any_number_of_rows(tmp_path: Path, compiler: Compiler):
    """Within 1e-4 of the eager answers: kernels add in another order."""
    for version in (1, 2):
        folder = put_model(tmp_path, f"moons@{version}", seed=version)
        plain, model = load_model(folder, CPU), compiler.serve(load_model(folder, CPU))
        decoded(model, 1)
        compiler.wait()
        assert is_compiled(model, "decoder")
        assert not is_compiled(model, "encoder")  # never asked
        for rows in (1, 2, 3, 7, 64, 300):
            torch.testing.assert_close(decoded(model, rows), decoded(plain, rows), rtol=1e-4, atol=1e-4)
        assert compiler.compilations == 1
        z = torch.zeros(2, 2, requires_grad=True)
        model.nets["decoder"](z).sum().backward()  # what needs gradients goes the eager way
        assert z.grad is not None
        assert model.nets["decoder"](torch.zeros(0, 2)).shape == (0, 2)


def test_without_a_compiler_a_net_stays_eager_and_the_log_says_so_once(
    tmp_path: Path, compiler: Compiler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    plain = load_model(put_model(tmp_path), CPU)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            model = compiler.serve(load_model(tmp_path / "moons" / "1", CPU))
            decoded(model, 1)
            compiler.wait()
            assert not is_compiled(model, "decoder")
            assert torch.equal(decoded(model, 5), decoded(plain, 5))
    assert [record.getMessage()[:45] for record in caplog.records] == ["decoder.forward of a vae stays eager: its com"]


def test_a_net_that_is_asked_little_is_not_compiled(tmp_path: Path):
    compiler = Compiler(CPU, 1)
    plain, model = (load_model(folder, CPU) for folder in [put_steps(tmp_path)] * 2)
    served = compiler.serve(model)
    sampler, expected = (
        each.family.sampler(each.nets, each.family.SampleOptions())  # type: ignore[attr-defined]
        for each in (served, plain)
    )
    noise = Noise.rows(1, 5)
    assert torch.equal(sample(sampler, noise), sample(expected, noise))
    compiler.close()
    assert compiler.compilations == 0


def test_a_compilation_under_way_ends_with_the_compiler(tmp_path: Path):
    compiler = Compiler(CPU, 1, pays_after_s=1e-9, nice=0)
    model = compiler.serve(load_model(put_model(tmp_path), CPU))
    decoded(model, 1)
    while compiler.child_pid is None:
        os.sched_yield()
    child = compiler.child_pid
    compiler.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert not is_compiled(model, "decoder")


@pytest.mark.parametrize("condition", [None, Labels(n_classes=3)], ids=["alone", "told"])
def test_a_served_bijection_still_goes_both_ways(tmp_path: Path, condition: Labels | None):
    compiler = Compiler(CPU, 1)
    spec = DataSpec(shape=(2,), condition=condition)
    flow, card = Flow(n_transforms=2, width=16), load_model(put_model(tmp_path), CPU).card
    nets = flow.build(spec)
    served = compiler.serve(Model(flow, Nets(spec, **dict(nets)), card))
    x = torch.linspace(-2, 2, 10).view(5, 2)
    c = no_condition(x) if condition is None else torch.eye(3)[torch.arange(5) % 3]
    with torch.no_grad():
        z = flow.encode(served.nets, x, c)
        assert torch.equal(z, flow.encode(nets, x, c))
        torch.testing.assert_close(flow.decode(served.nets, z, c), x)
    compiler.close()
