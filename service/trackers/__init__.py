"""Trainings in TensorBoard's files and in MLflow, for whoever sets where."""
