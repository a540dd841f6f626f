"""Priors that compare patches far apart in the image: what recurs in it is what is true of it."""
