"""Tables of files: reading them, the kinds of their columns, and the source of data that they are."""
