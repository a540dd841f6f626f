"""One command per published table, each printing published figures beside measured ones.

python -m benchmarks.tables.sr_set5           # super-resolution, Set5, 4 and 8 times
python -m benchmarks.tables.denoise_colour9   # Gaussian noise of 25 grey levels, nine colour images
python -m benchmarks.tables.inpaint11         # every second pixel missing, eleven grey images
python -m benchmarks.tables.early_stopping    # how far from its peak a network is stopped
python -m benchmarks.tables.pipeline_order    # demosaicking, denoising, super-resolution: in turn or at once
"""
