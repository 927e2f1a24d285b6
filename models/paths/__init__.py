"""Paths from noise to data: schedules, weightings, parametrizations, couplings, guidance."""
