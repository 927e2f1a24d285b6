"""Distributions whose densities have closed forms."""
