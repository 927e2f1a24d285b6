"""What families share: config variants with methods. Importing any of it does not import torch."""
