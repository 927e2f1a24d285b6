"""What a step is computed with: the optimizer, numbers and rows, the memory, the devices side by side."""
