"""What outputs are called where nobody says: beside the input, by what was done to it.

photo.png gives photo.denoised.png, and the folder holiday gives holiday.denoised. Names are lossless: of
photo.jpg comes photo.denoised.png, since JPEG would lose again what was won.
"""

from __future__ import annotations

from pathlib import Path

from zeroshot.file_names import same_name
from zeroshot.files import beside
from zeroshot.images.written_names import lossless


def output_beside(source: Path, outcome: str) -> Path:
    """The output for one image; where that is too long a name, it is cut."""
    name = Path(lossless(source))
    return beside(source.with_name(name.stem), f".{outcome}{name.suffix}")


def folder_beside(folder: Path, outcome: str) -> Path:
    """The output for a folder of images.

    Raises
    ------
    ValueError
        Where nothing can lie beside it.
    """
    # "." and ".." have no name to go on with.
    whole = folder if folder.name not in ("", "..") else folder.resolve()
    if not whole.name:
        raise ValueError(f"nothing lies beside {folder}: give a folder with -o")
    return beside(whole, f".{outcome}")


def outputs_beside(images: dict[Path, list[Path]], outcome: str) -> list[tuple[Path, Path]]:
    """Each image with its output.

    Parameters
    ----------
    images : dict of Path to list of Path
        What was named, each with the images that it stands for: itself, or those in the folder.
    outcome : str
        What was done to them.

    Raises
    ------
    ValueError
        Where two images would have the same output.
    """
    pairs: list[tuple[Path, Path]] = []
    for given, found in images.items():
        if found == [given]:
            pairs.append((given, output_beside(given, outcome)))
        else:
            folder = folder_beside(given, outcome)
            pairs += [(image, folder / lossless(image)) for image in found]
    outputs = [same_name(str(output)) for _, output in pairs]
    twice = sorted({str(output) for _, output in pairs if outputs.count(same_name(str(output))) > 1})
    if twice:
        raise ValueError(f"two inputs would be written to the same output: {', '.join(twice)}; give -o")
    return pairs
