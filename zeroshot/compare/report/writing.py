"""Write the report of a comparison: the page, the plots and the figures."""

from __future__ import annotations

import os
from pathlib import Path

from zeroshot.compare.records import Table
from zeroshot.compare.report.csv_files import write_csv
from zeroshot.compare.report.page import Contents, page
from zeroshot.compare.report.pictures import BUDGET, illustrated, pictures_of
from zeroshot.compare.report.plots import Plot, image_plot, require_matplotlib, summary_plots
from zeroshot.files import write_atomically


def write_report(table: Table, folder: str | os.PathLike) -> Path:
    """Write ``report.html``, ``plots/*.png``, ``results.csv`` and ``means.csv`` into the folder of a comparison.

    The page is one file that opens in any browser and loads nothing from elsewhere: tables, details cut out where the
    methods differ most, a slider between any two pictures, plots, and how everything was measured. Its pictures
    take at most 10 MB (:data:`zeroshot.compare.report.pictures.BUDGET`), and a third more as text: whole pictures
    are shrunk to fit, details never. Existing reports of the folder are replaced, each file at once.

    Parameters
    ----------
    table : Table
        Finished or half-finished; cells that have not been run are shown as such.
    folder : path
        Of the comparison: the files that the table names are relative to it. Pictures that cannot be read are
        left out.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    NotADirectoryError
        Where there is no such folder.
    zeroshot.images.ImageError
        In one line, where a file cannot be written.

    Notes
    -----
    Without matplotlib the report has no plots, and says what to install.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(
            f"a report goes into the folder of its comparison, but there is none: {folder}"
        )
    write_csv(table, folder)
    summary, curves, remarks = _plots(table, folder / "plots")
    shown = table.images[: illustrated(table)]
    if len(shown) < len(table.images):
        remarks.append(
            f"The page shows pictures of the first {len(shown)} images; those of all are in its folder."
        )
    rows = {image: pictures_of(table, folder, image, BUDGET // len(shown)) for image in shown}
    text = page(table, Contents(summary, curves, rows, remarks))
    target = folder / "report.html"
    write_atomically(target, text.encode("utf-8", errors="replace"))
    return target


def _plots(table: Table, folder: Path) -> tuple[list[Plot], dict[str, Plot], list[str]]:
    """The plots over all images, those of each image, and what to say where there are none."""
    try:
        require_matplotlib()
    except ImportError as error:
        return [], {}, [f"There are no plots: {error}"]
    folder.mkdir(exist_ok=True)
    curves = {image: image_plot(table, image, folder) for image in table.images}
    return summary_plots(table, folder), {name: plot for name, plot in curves.items() if plot}, []
