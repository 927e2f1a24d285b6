"""The base of the records that the service keeps."""

from pydantic import ConfigDict

from pushforward.models.config.described import Described


class Record(Described):
    """Frozen plain data."""

    model_config = ConfigDict(frozen=True)
