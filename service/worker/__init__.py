"""The worker: runs jobs, and answers requests to models."""
