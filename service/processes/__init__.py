"""Processes, their threads and tasks, and their supervision."""
