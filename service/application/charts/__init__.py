"""What is drawn of jobs and models, as numbers."""
