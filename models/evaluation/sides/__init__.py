"""The sides of a comparison: rows in one form, and the likelihoods of some."""
