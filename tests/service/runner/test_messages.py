"""`service.runner.messages`: messages of a child are read, and other output does no harm."""

import pytest

from pushforward.service.domain.jobs import Fault
from pushforward.service.runner.messages import (
    LogMessage,
    Message,
    ModelWritten,
    ProgressMessage,
    RefusalMessage,
    RowsWritten,
    parse,
)


@pytest.mark.parametrize(
    "line",
    [
        ProgressMessage(step=3, total_steps=9, losses={"kl_nats": 0.5}, steps_per_s=2.0),
        LogMessage(level="info", message="resumed\nfrom step 3"),
        RefusalMessage(fault=Fault(type="diverged", detail="lower optimizer.lr")),
        ModelWritten(metrics={"validation_rmse": 0.1}),
        RowsWritten(file_bytes=128, file_sha256="00ff"),
    ],
)
def test_a_message_is_read_as_it_was_sent(line: Message) -> None:
    said = line.to_line().encode()
    assert said.count(b"\n") == 1
    assert parse(said) == line


@pytest.mark.parametrize("line", [b"", b"hello", b"[1]", b'{"kind": "progress"}', b'{"kind": "shout"}', b"\xff\xfe"])
def test_a_line_that_is_no_message_is_ignored(line: bytes) -> None:
    assert parse(line) is None
