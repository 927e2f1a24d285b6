"""Densities with closed forms."""
