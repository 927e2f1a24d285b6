"""Requests on their way from the gateway to a worker, and replies on their way back."""
