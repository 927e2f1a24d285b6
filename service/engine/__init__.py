"""Rows of many requests at their own steps, in shared forward passes."""
