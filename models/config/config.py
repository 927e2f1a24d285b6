"""Frozen configurations of families, of their parts, and of the options of requests."""

from __future__ import annotations

from pydantic import ConfigDict

from pushforward.models.config.numbers_only import NumbersOnly


class Config(NumbersOnly):
    """Plain frozen data; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Options(Config):
    """What may be chosen when a model is asked; families extend it."""

    def reserve(self, name: str, choice: str, owner: str) -> None:
        """Refuse an option that only one choice reads. Defaults pass: a request carries all options.

        Raises:
            ValueError: naming the choice that reads it.
        """
        chosen = getattr(self, choice)
        if chosen != owner and getattr(self, name) != type(self).model_fields[name].default:
            raise ValueError(f"{name} belongs to the {choice} {owner}; leave it out for {chosen}")
