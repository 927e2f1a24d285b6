"""Metrics of samples against rows of data, a class each; `registry` names them all."""
