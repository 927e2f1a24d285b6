"""Frozen configurations: numbers that are numbers, fields described by the strings below them."""
