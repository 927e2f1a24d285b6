"""Sends requests from gateways to workers, and replies back."""
