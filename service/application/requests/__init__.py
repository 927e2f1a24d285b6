"""A request to a model, checked against its card, and the result made of the reply."""
