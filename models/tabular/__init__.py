"""Families on the rows of tables: what `ModelsTables.for_table` of each gives."""
