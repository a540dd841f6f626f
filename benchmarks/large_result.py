"""A result that is too large to be held: ×4 of 12 megapixels by the command line, its peak memory and its seconds.

The picture, 4000 × 3000 in colour, is mirrored together from scikit-image's photographs. Tiles whose turn does not
come within the budget keep the first estimate, so that all 192 megapixels pass through the file in any case::

    python -m benchmarks.large_result --suffix .png --seconds 60

Prints the peak resident memory of the command in GiB, the libraries included.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from zeroshot import images

from .arguments import parser, positive
from .large_image import photograph


def main() -> None:
    """Print what the command says, and what it took."""
    options = parser(__doc__)
    options.add_argument("--seconds", type=positive, default=60.0, help="budget of the whole picture")
    options.add_argument("--megapixels", type=positive, default=12.0, help="of the small picture")
    options.add_argument("--scale", type=int, default=4)
    options.add_argument("--prior", default="tv")
    options.add_argument("--suffix", choices=(".tif", ".png"), default=".tif")
    arguments = options.parse_args()
    height = round((arguments.megapixels * 1e6 * 3 / 4) ** 0.5 / 2) * 2
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.png", Path(folder) / f"large{arguments.suffix}"
        images.save(images.load(photograph(height, height * 4 // 3).mul(255).round().byte()), small)
        words = ["sr", small, "-o", large, "--scale", arguments.scale, "--prior", arguments.prior]
        words += ["--sigma", 0, "--seconds", arguments.seconds, "--threads", 1]
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "zeroshot", *map(str, words)], check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
        wall, processor = time.perf_counter() - began, used.ru_utime + used.ru_stime
        print(
            f"peak: {peak:.2f} GiB, {wall:.0f} s, processor {processor:.0f} s, "
            f"file: {large.stat().st_size / 2**30:.2f} GiB"
        )


if __name__ == "__main__":
    main()
