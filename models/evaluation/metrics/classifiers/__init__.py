"""Metrics by classifiers: whether they tell samples from data, and what they learn from samples."""
