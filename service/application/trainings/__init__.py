"""Trainings before they are jobs: runs checked against their data, what they would do, the trials of a search."""
