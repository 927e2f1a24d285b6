"""Points and the distances and paths between them."""
