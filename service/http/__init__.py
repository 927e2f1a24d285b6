"""What guards the HTTP port before any route: hosts, headers, bodies, slow connections."""
