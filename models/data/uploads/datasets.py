"""Datasets that were uploaded, on the disk: each file once, by its digest, and the names that it has.

    {data_root}/.datasets/by-digest/{sha256}     the bytes
    {data_root}/.datasets/names/{name}.json      what the name holds now: a `Dataset`

A reference is a name, `penguins`, whose bytes may change; or a name with a digest, `penguins@{sha256}`, whose bytes may
not. A run is recorded with the second.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, ValidationError

from pushforward.models.config.described import Described
from pushforward.models.errors import Hindered, InvalidData, hindrance, in_words

FOLDER = ".datasets"
REFERENCE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}(@[0-9a-f]{64})?$"
REFERENCE_FORM = (
    "must be the name of a dataset: lowercase letters, digits, - and _, at most 63, the first a letter or a digit; "
    "`@` and its sha256 after it for these bytes only"
)


class Dataset(Described):
    """A file that was uploaded under a name."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Name of the dataset."""
    media_type: str
    """Format of the file, such as text/csv."""
    bytes: int
    """Size of the file."""
    sha256: str
    """Digest of the file."""
    created_at: float
    """When the file was uploaded under this name, seconds since 1970."""

    @property
    def reference(self) -> str:
        """The name and the digest, which no later upload changes."""
        return f"{self.name}@{self.sha256}"


def blobs(root: Path) -> Path:
    """The folder of the bytes."""
    return root / FOLDER / "by-digest"


def names(root: Path) -> Path:
    """The folder of the records."""
    return root / FOLDER / "names"


def record_file(root: Path, name: str) -> Path:
    """The record of a name."""
    return names(root) / f"{name}.json"


def read_record(root: Path, name: str) -> Dataset | None:
    """What a name holds now; None where nothing was uploaded under it, or its record is damaged.

    Raises InvalidData, Hindered.
    """
    try:
        record = Dataset.model_validate_json(record_file(root, name).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    except OSError as error:
        if why := hindrance(error):
            raise Hindered(f"the dataset {name!r} cannot be read: {why}") from error
        raise InvalidData(f"the dataset {name!r} cannot be read: {in_words(error)}", field="dataset") from error
    return record if record.name == name else None


def name_of(reference: str) -> str:
    """The name in a reference."""
    return reference.partition("@")[0]


def digest_of(reference: str) -> str | None:
    """The digest in a reference; None where it is a name alone."""
    return reference.partition("@")[2] or None
