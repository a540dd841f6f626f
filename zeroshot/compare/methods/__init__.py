"""The methods a comparison knows by a word: our priors, interpolation, and learned models in files."""
