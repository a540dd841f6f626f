"""Priors whose images are those that a pretrained generator can make."""
