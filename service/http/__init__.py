"""Limits and checks of the HTTP port before any route: hosts, headers, bodies, slow connections."""
