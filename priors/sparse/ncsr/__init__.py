"""Nonlocally centralised sparse representation: codes of patches drawn to those of similar patches."""
