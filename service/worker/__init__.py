"""The worker: claims jobs and supervises their training, and answers asks."""
