"""Latent variables: priors p(z), posteriors q(z | x), densities of codes."""
