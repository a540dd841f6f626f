"""Any denoiser as a prior, put into a splitting scheme."""
