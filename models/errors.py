"""What can go wrong in the laboratory.

    LaboratoryError
    ├── InvalidData      a data source cannot be read, or does not hold what a run needs
    ├── InvalidInput     an array asked about does not fit the model
    ├── BadCheckpoint    a checkpoint is torn, altered, or of another architecture
    └── Diverged         a loss stopped being finite, or what a model draws is not

Each carries the field at fault, where there is one, and a message that says what to do.
"""


class LaboratoryError(Exception):
    """Base of everything the laboratory raises on purpose."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidData(LaboratoryError):
    """A data source cannot be read, or does not hold what a run needs."""


class InvalidInput(LaboratoryError):
    """An array asked about does not fit the model."""


class BadCheckpoint(LaboratoryError):
    """A checkpoint is torn, altered, or of another architecture."""


class Diverged(LaboratoryError):
    """A loss stopped being finite, or what a model draws is not."""
