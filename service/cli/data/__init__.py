"""The verbs of datasets: `pushforward data put`, `list`, `show`, `delete`."""
