"""What a training will take, as a worker foresees it. Plain data."""

from pushforward.service.domain.record import Record


class Forecast(Record):
    """What a training will take, measured by a worker on a few of its own steps."""

    n_parameters: int
    """Numbers that are learned."""
    batch_size: int
    """Rows of a step."""
    total_steps: int
    """Steps of the whole training."""
    step_ms: float
    """Milliseconds of a step."""
    rows_per_s: float
    """Rows a second."""
    seconds: float
    """Seconds of the whole training on an idle machine, without the scoring of the finished model."""
    memory_bytes: int
    """Memory of the training at its peak: of its process, or of its device."""
    free_bytes: int
    """Memory that it may take."""
    device: str
    """Where it was measured: cpu, or a GPU."""
    torch_threads: int
    """CPU threads that it was measured with."""
