"""Which families have a loss of held-out rows, and whether a lower one tells which weights are better."""

from __future__ import annotations

from pushforward.models.errors import InvalidData
from pushforward.models.family import Family, Scores, Validates
from pushforward.models.run import Run


def has_curve(family: Family) -> bool:
    """Whether held-out rows have a loss."""
    return isinstance(family, Validates | Scores)


def keeps_best(family: Family) -> bool:
    """Whether weights of a lower loss are the better ones."""
    return family.keeps_best if isinstance(family, Validates) else isinstance(family, Scores) and family.fits_data


def check_patience(run: Run, form: Family) -> None:
    """Refuse patience where no held-out loss tells which weights are better; `form` is that of the run's family.

    Raises InvalidData.
    """
    if run.budget.patience is None or keeps_best(form):
        return
    why = "has a held-out loss that does not tell which weights are better" if has_curve(form) else "has none"
    raise InvalidData(
        f"ends a training by a held-out loss, and {run.family.family} {why}; leave it out, and give fewer steps",
        field="run.budget.patience",
    )
