"""Change of variables."""
