"""Arrays as npy, pictures as PNG."""
