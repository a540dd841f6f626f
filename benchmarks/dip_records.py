"""A CSV file of figures that a killed benchmark goes on from: what is in it is not measured again."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

OUTPUT = Path(__file__).resolve().parent / "output"


class Records:
    """Rows of figures by key, each written to the file as soon as it is known.

    Parameters
    ----------
    name : str
        The file in `benchmarks/output`, without its ending.
    keys, values : sequence of str
        The columns that say what was run, and those of what came out.
    anew : str
        "yes" forgets what the file holds.
    """

    def __init__(self, name: str, keys: Sequence[str], values: Sequence[str], anew: str = "no") -> None:
        self.path = OUTPUT / f"{name}.csv"
        self.columns = [*keys, *values]
        self.width = len(keys)
        self.rows: dict[tuple[str, ...], list[str]] = {}
        OUTPUT.mkdir(exist_ok=True)
        if anew == "yes" or not self.path.exists():
            self._write(self.columns, "w")
            return
        text = self.path.read_text()
        complete = text[: text.rfind("\n") + 1]
        if complete != text:
            # A killed run left its last row unfinished: that one is measured again.
            self.path.write_text(complete)
        head, *rows = csv.reader(complete.splitlines())
        if head != self.columns:
            raise SystemExit(f"{self.path} has other columns than {', '.join(self.columns)}; use --anew")
        self.rows = {tuple(row[: self.width]): row[self.width :] for row in rows}

    def get(self, *key: object) -> list[str] | None:
        """The figures of this key as text, or None."""
        return self.rows.get(tuple(map(str, key)))

    def add(self, key: Sequence[object], values: Sequence[object]) -> list[str]:
        """Write a row; gives its figures as :meth:`get` would."""
        texts = [f"{value:.4f}" if isinstance(value, float) else str(value) for value in values]
        self.rows[tuple(map(str, key))] = texts
        self._write([*map(str, key), *texts], "a")
        return texts

    def _write(self, row: Sequence[str], mode: str) -> None:
        with open(self.path, mode) as file:
            csv.writer(file, lineterminator="\n").writerow(row)
