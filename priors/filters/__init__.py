"""The classic filters of denoising: local averages, diffusion, and the low-pass that all of them have to beat."""
