"""Iterations of each row on its own: ordinary differential equations, Adam."""
