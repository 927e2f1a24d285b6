"""What a step is computed with: the optimizer, the memory, the devices side by side."""
