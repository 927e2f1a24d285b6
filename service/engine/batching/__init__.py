"""Continuous batching: rows of many requests at their own steps share calls."""
