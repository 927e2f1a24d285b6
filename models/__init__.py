"""The laboratory: families of generative models, their data, their training and their checkpoints.

A plain library: it knows no HTTP, queue or Redis. Importing it does not import torch.
"""
