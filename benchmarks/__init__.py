"""Measurements, each a command that prints a table, run in the root of the repository.

    python -m benchmarks.classic             # classic priors and other packages over the test sets
    python -m benchmarks.speed               # seconds of tv, nlm and bm3d beside their peers, runs alternating
    python -m benchmarks.dip                 # Deep Image Prior: fast recipe, published figures, stopping, budgets
    python -m benchmarks.dip.reference       # its published settings beside a plain transcription of them
    python -m benchmarks.latent              # priors on generators
    python -m benchmarks.deblur_levin        # a shaken camera's pictures
    python -m benchmarks.large_image         # memory and seconds of a large photograph in tiles
    python -m benchmarks.operators           # milliseconds of every operator
    python -m benchmarks.stopping            # what a stopping rule costs a step
    python -m benchmarks.tables.sr_set5      # one published table, as its neighbours are

The test images lie in the folder `shared`, beside the checkout. What takes long is kept in `benchmarks/output`
(:mod:`benchmarks.table`), and a command that was cut off goes on where it stopped.
"""
