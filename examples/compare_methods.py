"""How far apart interpolation, a prior and a method of your own are, on the same small picture."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.data import cat

from zeroshot.compare import Case, compare
from zeroshot.compare.report import text_table


class BackProjection:
    """A method of your own: a class in a file, or an object handed to compare(), with these members.

    ``x ← x + B(y − A x)`` with B, bicubic enlargement: what the result lacks to agree with the measurement.
    """

    def __init__(self, iterations: int) -> None:
        self.iterations = iterations

    def supports(self, case: Case) -> str | None:
        return None if case.task == "sr" else "it enlarges, and nothing else"

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        problem = task.problem
        estimate = problem.initial()
        for _ in range(self.iterations):
            estimate = estimate + problem.operator.initial(problem.y - problem.operator(estimate))
            task.show(pixels(estimate))
        return pixels(estimate)


def pixels(image: torch.Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).numpy()


def main(output: str = "compare_methods.png", seconds: float = 20.0) -> None:
    folder = Path(output).with_suffix("")
    table = compare(
        {"cat": cat()[20:148, 120:248]},
        "sr",
        ["bicubic", "tv", f"back-projection=python:{__file__}:BackProjection[iterations=10]"],
        options={"scale": 4},
        seconds=seconds,
        report=folder,
        progress=print,
    )
    print(f"\n{text_table(table)}\n\n{folder / 'report.html'}: the report")
    best = max((cell for cell in table.cells if cell.file), key=lambda cell: cell.metrics[table.metrics[0]])
    save_pair(folder / table.damaged["cat"], folder / str(best.file), output)


def save_pair(small: Path, restored: Path, output: str) -> None:
    """The damaged image, its pixels enlarged, beside the best result."""
    after = Image.open(restored)
    before = Image.open(small).resize(after.size, Image.Resampling.NEAREST)
    gap = max(2, after.width // 64)
    pair = Image.new("RGB", (2 * after.width + gap, after.height), "white")
    pair.paste(before, (0, 0))
    pair.paste(after, (after.width + gap, 0))
    pair.save(output)


if __name__ == "__main__":
    main()
