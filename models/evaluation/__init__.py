"""What a trained model is worth: held-out scores, baselines, the verdict."""
