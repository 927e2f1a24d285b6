"""Rows that do not fit into memory: read in pieces, decoded once into files that are mapped."""
