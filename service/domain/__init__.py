"""Plain data of the service, its errors, and what it needs of the outside."""
