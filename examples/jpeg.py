"""Remove the blocks and the ringing of a JPEG of low quality."""

import io
import tempfile
from pathlib import Path

from PIL import Image
from skimage.data import coffee

import zeroshot


def main(output: str = "jpeg.png", seconds: float = 60.0) -> None:
    with tempfile.TemporaryDirectory() as folder:
        compressed = Path(folder) / "photo.jpg"
        buffer = io.BytesIO()
        Image.fromarray(coffee()[100:356, 150:406]).save(buffer, "JPEG", quality=10)
        compressed.write_bytes(buffer.getvalue())
        restored = zeroshot.solve(compressed, task="jpeg", prior="bm3d", seconds=seconds)
        restored.save_comparison(output)
    kept = restored.findings["coefficients_kept_in_8_bits"]
    print(f"{kept:.2%} of the coefficients are those of the file")


if __name__ == "__main__":
    main()
