"""How the likelihood of a model with latent variables is found: draws, and steps of refinement."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt, PositiveInt

from pushforward.models.config.config import Options

MAX_K = 5_000  # draws


class ImportanceOptions(Options):
    """How tight a bound is wanted."""

    k: PositiveInt = Field(64, le=MAX_K)
    """Importance samples; 1 is the evidence lower bound, without an error bar."""
    refine: NonNegativeInt = Field(0, le=500)
    """Gradient steps that first fit the posterior to each row; tells the amortization gap."""
