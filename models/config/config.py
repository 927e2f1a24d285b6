"""Frozen configurations: of families and their parts, of what a request may choose."""

from __future__ import annotations

from pydantic import ConfigDict

from pushforward.models.config.numbers_only import NumbersOnly


class Config(NumbersOnly):
    """Plain frozen data; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Options(Config):
    """What may be chosen when a model is asked; families extend it."""

    def reserve(self, name: str, choice: str, owner: str) -> None:
        """Refuse an option that only one choice reads. Defaults pass: a question carries all options, chosen or not.

        Raises:
            ValueError: saying whose it is.
        """
        chosen = getattr(self, choice)
        if chosen != owner and getattr(self, name) != type(self).model_fields[name].default:
            raise ValueError(f"{name} belongs to the {choice} {owner}; leave it out for {chosen}")
