"""Metrics of memorization: by distances from training rows, and by likelihoods."""
