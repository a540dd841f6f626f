"""Priors on coefficients: few of them are large in a fixed or a learned basis."""
