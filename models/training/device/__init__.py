"""How a step computes on its device: in which numbers, and from rows that lie where."""
