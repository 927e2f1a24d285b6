"""Redis connections, and models and files on the disk."""
