"""Networks whose outputs see some of their inputs only."""
