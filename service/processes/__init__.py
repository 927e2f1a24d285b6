"""Processes, their threads and tasks, and who watches over them."""
