"""Wavelet sparsity: orthogonal, cycle-spun and undecimated transforms, and the prior that shrinks them."""
