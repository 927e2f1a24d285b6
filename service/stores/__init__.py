"""Redis connections, and what lies on the disk."""
