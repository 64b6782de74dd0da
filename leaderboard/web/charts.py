"""Pictures as numbers: charts.html draws them as SVG that needs no script and no inline style, each with its table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from leaderboard.deliveries import Day
from leaderboard.guidelines import GUIDELINES
from leaderboard.tables import EVERY
from leaderboard.weeks import Week

WIDTH = 320
"""What a phone has room for: a unit of the drawing is about a pixel there, so letters stay as large as they are."""
TOP, BOTTOM, START = 12, 24, 32
"""Room around the columns for numbers, names and the scale, in the drawing's own units."""
TALL, LOW = 150, 30
"""Heights of the chart of all points and of one guideline's strip."""
WIDEST = 28
"""A column, where a few weeks would leave room for a wall."""
MOST_NUMBERED = 16
"""Weeks that have room for their numbers; of more, each quarter's first is named by its month."""
STEP, NAMES = 18.5, 60
"""Of the rhythm: from square to square, and the room for the quarters' names."""
LARGEST, SMALLEST = 16, 4
BAR, GAP, HIGH, OVER = 7, 3, 24, 8
"""Of a source's days: a bar, the room to the next, the highest, and the room above for the sign of what was refused."""


@dataclass(frozen=True)
class Column:
    """One week: where its column stands and what it says; `named` where the axis has room for its name."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    week: Week
    value: int
    named: bool


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


@dataclass(frozen=True)
class Part:
    """One guideline's points, by week and in all; the `share`s of the five make 100 percent, or 0 without any points."""

    guideline: str
    points: int
    share: int
    chart: Chart


@dataclass(frozen=True)
class OverTime:
    """Points by week, all and by guideline; `best` is the first week with the most, None without any points."""

    chart: Chart
    parts: tuple[Part, ...]
    points: int
    best: Column | None
    rows: tuple[tuple[Week, int, tuple[int, ...]], ...]
    """The table: each week with its points, and those of each guideline."""

    @property
    def last(self) -> int:
        """The last whole week's points: the newest column is the week that still runs."""
        return self.rows[-2][1]

    @property
    def change(self) -> int | None:
        """By how many percent the last whole week differs from the mean of the four before it; None beside nothing."""
        before = sum(points for _, points, _ in self.rows[-6:-2]) / 4
        return round(100 * (self.last - before) / before) if before else None

    @property
    def rarest(self) -> Part:
        """The guideline with the fewest points."""
        return min(self.parts, key=lambda part: part.points)


@dataclass(frozen=True)
class Square:
    """A week of the rhythm: its points are the square's area; `quiet` is a week without any."""

    x: float
    y: float
    side: float
    week: Week
    points: int
    quiet: bool
    now: bool


@dataclass(frozen=True)
class Rhythm:
    """Quarters as rows of weeks, the oldest first: (the middle of the row, its first week) names them."""

    width: int
    height: int
    squares: tuple[Square, ...]
    rows: tuple[tuple[float, Week], ...]


@dataclass(frozen=True)
class Bar:
    """A day of a source: how high what could be read stands, and above it what could not; both 0 on a silent day."""

    x: float
    read: float
    unread: float
    day: Day


@dataclass(frozen=True)
class Bars:
    """The days of a source in a row, and what they come to."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    came: int
    failed: int
    busy: int
    """Days on which something came."""
    refused: int
    """Days on which something is known to have been refused."""


def bars(days: Sequence[Day]) -> Bars:
    """The row of bars for a source's days, each as high as what came that day beside the busiest."""
    most = max((day.came for day in days), default=0)
    found = []
    for place, day in enumerate(days):
        tall = max(3.0, HIGH * day.came / most) if day.came else 0.0
        unread = max(3.0, tall * day.failed / day.came) if day.failed and day.came else 0.0
        found.append(
            Bar(place * (BAR + GAP) + GAP / 2, round(max(0.0, tall - unread), 2), round(unread, 2), day)
        )
    return Bars(
        width=len(days) * (BAR + GAP),
        height=OVER + HIGH + 1,
        bars=tuple(found),
        came=sum(day.came for day in days),
        failed=sum(day.failed for day in days),
        busy=sum(day.came > 0 for day in days),
        refused=sum(day.refused for day in days),
    )


def over_time(points: Mapping[str, Mapping[str, int]]) -> OverTime:
    """The pictures of points by week ("2026-W47", in order) and guideline ("" for all)."""
    weeks = [Week.parse(name) for name in points]
    by_week = list(points.values())
    of = {one.slug: [found.get(one.slug, 0) for found in by_week] for one in GUIDELINES}
    every = [found.get(EVERY, 0) for found in by_week]
    chart = column_chart(list(zip(weeks, every, strict=True)), TALL)
    # One scale for all five, so that they can be compared.
    most = max(map(max, of.values()), default=0) if weeks else 0
    totals = [sum(values) for values in of.values()]
    parts = tuple(
        Part(slug, total, share, column_chart(list(zip(weeks, of[slug], strict=True)), LOW, most, bare=True))
        for slug, total, share in zip(of, totals, shares(totals), strict=True)
    )
    best = max(chart.columns, key=lambda column: column.value, default=None)
    rows = tuple(zip(weeks, every, zip(*of.values(), strict=True), strict=True))
    return OverTime(chart, parts, sum(every), best if best and best.value else None, rows)


def column_chart(
    values: Sequence[tuple[Week, int]], height: int, most: int | None = None, *, bare: bool = False
) -> Chart:
    """Columns for (week, value) pairs, values 0 or more, in the order given; `bare` is without scale and names."""
    highest = max((value for _, value in values), default=0) if most is None else most
    top = max(1, highest) if bare else round_up(highest)
    over, under = (1, 1) if bare else (TOP, BOTTOM)
    room = height - over - under
    baseline = float(over + room)
    step = (WIDTH - START) / max(1, len(values))
    wide = min(WIDEST, step * 0.7)
    columns = []
    for place, (week, value) in enumerate(values):
        tall = room * value / top
        x = START + step * place
        columns.append(
            Column(
                x=round(x + (step - wide) / 2, 2),
                y=round(baseline - tall, 2),
                width=round(wide, 2),
                height=round(tall, 2),
                middle=round(x + step / 2, 2),
                week=week,
                value=value,
                named=len(values) <= MOST_NUMBERED or week == week.quarter[0],
            )
        )
    scale = () if bare else (0, top // 2, top)
    lines = tuple(Line(round(baseline - room * value / top, 2), value) for value in scale)
    return Chart(WIDTH, height, baseline, tuple(columns), lines)


def rhythm(points: Mapping[Week, int], first: Week, now: Week) -> Rhythm:
    """The quarters of these weeks; those before `first` and after `now` stay empty."""
    most = max(points.values(), default=0)
    quarters = [week.quarter for week in points if week == week.quarter[0]]
    squares = []
    for row, quarter in enumerate(quarters):
        for place, week in enumerate(quarter):
            if not first <= week <= now:
                continue
            value = points.get(week, 0)
            side = max(SMALLEST, LARGEST * sqrt(value / most)) if value else SMALLEST
            middle = NAMES + STEP * (place + 0.5), STEP * (row + 0.5) + 1
            squares.append(
                Square(
                    x=round(middle[0] - side / 2, 2),
                    y=round(middle[1] - side / 2, 2),
                    side=round(side, 2),
                    week=week,
                    points=value,
                    quiet=not value,
                    now=week == now,
                )
            )
    rows = tuple((STEP * (row + 0.5) + 1, quarter[0]) for row, quarter in enumerate(quarters))
    return Rhythm(WIDTH, round(STEP * len(quarters)) + 2, tuple(squares), rows)


def quarters_to(week: Week, count: int) -> list[Week]:
    """The weeks of the quarter that this week is in, to its end, and of those before it: so many quarters, in order."""
    found: list[Week] = []
    for _ in range(count):
        found = [*week.quarter, *found]
        week = found[0] - 1
    return found


def shares(values: Sequence[int]) -> list[int]:
    """Whole percents that make 100 together: what is cut off goes to those that lose most by it."""
    total = sum(values)
    if not total:
        return [0] * len(values)
    found = [value * 100 // total for value in values]
    losses = sorted(range(len(values)), key=lambda place: (-(values[place] * 100 % total), place))
    for place in losses[: 100 - sum(found)]:
        found[place] += 1
    return found


def round_up(value: int) -> int:
    """The next even number of the row 2, 4, 6, 8, 10, 20, 40 … that is not below: a scale that people read at a glance."""
    size = 1
    while True:
        for step in (2, 4, 6, 8, 10):
            if value <= step * size:
                return step * size
        size *= 10


def level(value: int, most: int) -> int:
    """Which of four shades a number of a table has, 0 for none."""
    return -(-4 * value // most) if value else 0
