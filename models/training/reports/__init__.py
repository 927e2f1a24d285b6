"""What is told of a training: what it will take, and what an eye sees of it."""
