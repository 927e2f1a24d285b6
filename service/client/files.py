"""Files that are written whole or not at all."""

from pushforward.client.files import whole_file

__all__ = ["whole_file"]
