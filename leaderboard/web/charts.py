"""Charts as numbers: _chart.html draws them as SVG that needs no script and no inline style."""

from collections.abc import Sequence
from dataclasses import dataclass

TOP, BOTTOM, START = 16, 24, 36
"""Room around the columns for numbers, names and the scale, in the drawing's own units."""


@dataclass(frozen=True)
class Column:
    """One column: where it stands, and what it says."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    label: str
    value: int


@dataclass(frozen=True)
class Line:
    """One line of the scale."""

    y: float
    value: int


@dataclass(frozen=True)
class Chart:
    """A column chart in units of its own; the page scales it to the room there is."""

    width: int
    height: int
    baseline: float
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


def column_chart(values: Sequence[tuple[str, int]], width: int, height: int) -> Chart:
    """Columns for (label, value) pairs, values 0 or more, in the order given."""
    top = round_up(max((value for _, value in values), default=0))
    room = height - TOP - BOTTOM
    baseline = float(TOP + room)
    step = (width - START) / max(1, len(values))
    columns = []
    for place, (label, value) in enumerate(values):
        tall = room * value / top
        x = START + step * place
        columns.append(
            Column(
                x=round(x + step * 0.15, 2),
                y=round(baseline - tall, 2),
                width=round(step * 0.7, 2),
                height=round(tall, 2),
                middle=round(x + step / 2, 2),
                label=label,
                value=value,
            )
        )
    scale = (0, top // 2, top)
    lines = tuple(Line(round(baseline - room * value / top, 2), value) for value in scale)
    return Chart(width, height, baseline, tuple(columns), lines)


def round_up(value: int) -> int:
    """The next even number of the row 2, 4, 10, 20, 40, 100 … that is not below: a scale that people read at a glance."""
    size = 1
    while True:
        for step in (2, 4, 10):
            if value <= step * size:
                return step * size
        size *= 10
