"""From a run to trained weights: data, state, loop, checkpoints."""
