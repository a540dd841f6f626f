"""Priors on gradients: total variation and its kin."""
