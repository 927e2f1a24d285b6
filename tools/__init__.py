"""Tools of the repository, not installed with it."""
