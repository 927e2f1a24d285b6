"""Metrics of tables, column by column."""
