"""Iterations in which each row goes its own way: ordinary differential equations, Adam of a row."""
