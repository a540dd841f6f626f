"""Priors that look for the image among those that a pretrained generator can make."""
