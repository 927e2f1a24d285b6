"""Divergences between two distributions, estimated from samples: adversarial games, penalties, kernels."""
