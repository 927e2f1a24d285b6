"""Programs of steps: sampling, scoring and maps, each row at its own step."""
