"""Pictures and curves in a terminal."""
