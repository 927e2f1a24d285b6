"""Steps too few for a solver are refused at their border, and each solver counts its calls of the network."""

import pytest
from pydantic import ValidationError

from pushforward.models.flows.options import CNFSolverOptions, MatchingSolverOptions

FEWEST = [
    (MatchingSolverOptions, "heun", 5),
    (MatchingSolverOptions, "rk4", 3),
    (MatchingSolverOptions, "adaptive", 10),
    (CNFSolverOptions, "adaptive", 10),
    (CNFSolverOptions, "rk4", 2),
]


@pytest.mark.parametrize(("options", "solver", "fewest"), FEWEST)
def test_one_step_less_than_the_fewest_is_refused(
    options: type[MatchingSolverOptions] | type[CNFSolverOptions], solver: str, fewest: int
) -> None:
    assert options.model_validate({"solver": solver, "steps": fewest}).steps == fewest
    with pytest.raises(ValidationError, match=f"{fewest}"):
        options.model_validate({"solver": solver, "steps": fewest - 1})


def test_one_step_of_euler_is_taken_and_none_is_refused() -> None:
    assert MatchingSolverOptions(solver="euler", steps=1).steps == 1
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        MatchingSolverOptions(solver="euler", steps=0)


@pytest.mark.parametrize(("solver", "calls"), [("rk4", 4), ("adaptive", 7)])
def test_a_continuous_flow_counts_the_calls_of_its_steps(solver: str, calls: int) -> None:
    assert CNFSolverOptions.model_validate({"solver": solver, "steps": 20}).n_evaluations == 20 * calls
