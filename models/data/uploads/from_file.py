"""Sources that read a file: by its path below the data root, or uploaded under a name."""

from __future__ import annotations

from abc import ABC
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, ValidationInfo, field_validator

from pushforward.models.data.files import NO_ROOT, inside, reading
from pushforward.models.data.mapped.scratch import identity_of
from pushforward.models.data.source import Finite
from pushforward.models.data.uploads.datasets import REFERENCE_PATTERN, Dataset, blobs, digest_of, name_of, read_record
from pushforward.models.errors import Hindered, InvalidData


class FromFile(Finite, ABC):
    """Rows of a file: `path` or `dataset` says which."""

    path: str | None = Field(None, min_length=1, max_length=1024)
    """A file, relative to the data root; or give `dataset`."""
    dataset: str | None = Field(None, pattern=REFERENCE_PATTERN, validate_default=True)
    """A dataset that was uploaded, by its name, in the place of `path`; `name@sha256` is these bytes only."""

    media_types: ClassVar[tuple[str, ...]]  # of the datasets that it reads

    @field_validator("dataset")
    @classmethod
    def _one_of_both(cls, dataset: str | None, fields: ValidationInfo) -> str | None:
        if "path" in fields.data and (fields.data["path"] is None) == (dataset is None):
            raise ValueError("give path or dataset, one of them")
        return dataset

    @property
    def is_parsed(self) -> bool:
        """Whether the outline takes a parser that may crash, or take all memory or time, as those of tables do."""
        return False

    @property
    def file_name(self) -> str:
        """The file as its user calls it."""
        return self.path or name_of(self.dataset or "")

    def file(self, root: Path) -> Path:
        """The file, or the folder of files. Raises InvalidData, Hindered."""
        if self.path is not None:
            return inside(root, self.path)
        digest = digest_of(str(self.dataset)) or self._record(root).sha256
        file = blobs(root) / digest
        if not file.is_file():
            if not root.is_dir():
                raise Hindered(NO_ROOT)
            raise InvalidData(
                f"the bytes of {self.file_name!r} with sha256 {digest[:12]}... are gone: it was deleted, or replaced; "
                "upload them again",
                field="dataset",
            )
        return file

    def identity(self, root: Path) -> str:
        file = self.file(root)
        with reading(file):
            return f"{super().identity(root)} {identity_of(file)}"

    def pinned(self, root: Path) -> Self:
        """The same source; a dataset stands with its digest, so that a later upload does not change the run."""
        if self.dataset is None or digest_of(self.dataset):
            return self
        return self.model_copy(update={"dataset": self._record(root).reference})

    def reworded(self, error: InvalidData) -> InvalidData:
        """What is wrong with a dataset: readers of files know its digest, and call every file `path`."""
        if self.dataset is None:
            return error
        digest = digest_of(self.dataset)
        message = error.message.replace(digest, self.file_name) if digest else error.message
        return InvalidData(message, field="dataset" if error.field == "path" else error.field)

    def _record(self, root: Path) -> Dataset:
        """What the name of the dataset holds now. Raises InvalidData, Hindered."""
        if not root.is_dir():
            raise Hindered(NO_ROOT)
        record = read_record(root, self.file_name)
        if record is None:
            raise InvalidData(f"there is no dataset {self.file_name!r}; upload it first", field="dataset")
        if record.media_type not in self.media_types:
            raise InvalidData(
                f"{record.name!r} is {record.media_type}, and {self.source} reads {' or '.join(self.media_types)}; "
                "name another dataset, or another source",
                field="dataset",
            )
        return record
