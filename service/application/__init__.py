"""What the service does, for every API alike: checks requests, starts jobs, asks models."""
