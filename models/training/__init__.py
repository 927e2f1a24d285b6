"""From a run to trained weights: data, state, loop, the held-out curve, checkpoints."""
