"""Networks compiled beside the engine."""
