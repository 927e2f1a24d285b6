"""Variational bounds and estimators of their gradients."""
