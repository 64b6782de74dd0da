"""Tables as CSV, for spreadsheets."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from flask import Response

Cell = str | int | None

MOST_ROWS = 100_000
"""Of a file; more is what the API's pages are for."""

STARTS = "=+-@\t\r\n＝＋－＠"
"""What makes a spreadsheet take a text for a formula (also as full-width twins, which some read alike)."""
INNER = re.compile("([;|\t\r\n])(?=[ \u00a0\u3000]*[=+@＝＋－＠-])(?! *-\\))")
"""Where a cell begins for a program that divides at other signs than commas, as Excel does in many countries; not in ;-)"""


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """The rows as a download called `name`.csv: UTF-8 with a mark that Excel needs, texts inert."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([inert(cell) for cell in row] for row in rows)
    return Response(
        ("\ufeff" + text.getvalue()).encode(),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def inert(cell: Cell) -> str | int:
    """A text that a spreadsheet shows and never runs; numbers stay numbers."""
    if cell is None:
        return ""
    if isinstance(cell, int):
        return cell
    cell = INNER.sub(r"\1'", cell)
    return "'" + cell if cell.lstrip(" \u00a0\u3000").startswith(tuple(STARTS)) else cell
