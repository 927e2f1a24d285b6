"""How far two distributions are apart, by their draws: games, penalties, kernels."""
