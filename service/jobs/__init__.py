"""The record of jobs, and what wakes the workers."""
