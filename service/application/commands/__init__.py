"""Commands: what a client may request, and how what it sent is validated."""
