"""What the OpenAPI document says, and `/docs`."""
