"""Jobs being run: attempts, child processes, what is left behind."""
