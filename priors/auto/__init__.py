"""Choosing a prior by the image itself."""
