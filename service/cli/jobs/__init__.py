"""The verbs of jobs."""
