"""What data and their rows are: shape, range, units, precision, conditions."""
