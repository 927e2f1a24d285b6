"""Samplers, a file each: from noise to data, or to a bound of its probability."""
