"""The process of both APIs, and what starts and stops it."""
