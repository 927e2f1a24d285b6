"""Tables: rows of columns of different kinds, as numbers that networks take."""
