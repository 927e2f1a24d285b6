"""What lies on disk: tensors, cards, models, sealed by their digests. Read without the training loop."""
