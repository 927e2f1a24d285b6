"""The formats of tables: their media types, the endings of their files' names, and their first bytes.

References:
    | Common Format and MIME Type for CSV Files (Shafranovich, 2005), RFC 4180
    | Apache Parquet, "File Format"; Apache Arrow, "IPC Streaming Format", "IPC File Format"
"""

from __future__ import annotations

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
ARROW_FILE = "application/vnd.apache.arrow.file"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
MEDIA_TYPES = (CSV, PARQUET, ARROW_FILE, ARROW_STREAM)

ENDINGS = {".csv": CSV, ".parquet": PARQUET, ".arrow": ARROW_FILE, ".feather": ARROW_FILE, ".arrows": ARROW_STREAM}
"""Of names of files; the first of a media type is the one that is suggested."""

STARTS = {PARQUET: b"PAR1", ARROW_FILE: b"ARROW1", ARROW_STREAM: b"\xff\xff\xff\xff"}
"""First bytes; a stream begins with a continuation. Text has none of its own."""


def ending_of(media_type: str) -> str:
    """`.csv`."""
    return next(ending for ending, each in ENDINGS.items() if each == media_type)
