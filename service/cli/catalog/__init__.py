"""The verbs of what can be trained, and of what is."""
