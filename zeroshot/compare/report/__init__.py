"""What a comparison shows: a page that opens anywhere, tables for other programs, and a table for the terminal."""

from __future__ import annotations

from zeroshot.compare.report.csv_files import write_csv
from zeroshot.compare.report.terminal import remarks, text_table
from zeroshot.compare.report.writing import write_report

__all__ = ["remarks", "text_table", "write_csv", "write_report"]
