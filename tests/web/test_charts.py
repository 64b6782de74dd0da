"""Pictures as numbers: what is drawn is what was counted."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.guidelines import GUIDELINES
from leaderboard.tables import EVERY
from leaderboard.web.charts import (
    BOTTOM,
    LARGEST,
    START,
    TOP,
    WIDTH,
    column_chart,
    level,
    over_time,
    quarters_to,
    rhythm,
    round_up,
    shares,
)
from leaderboard.weeks import Week

WEEK = Week(2026, 47)
SLUGS = [one.slug for one in GUIDELINES]


def weeks(values: list[int]) -> list[tuple[Week, int]]:
    return [(WEEK - back, value) for back, value in enumerate(reversed(values))][::-1]


# --- columns ------------------------------------------------------------------------------------------------


def test_heights_stand_in_the_ratio_of_the_values() -> None:
    chart = column_chart(weeks([5, 10, 0]), height=200)
    low, high, none = chart.columns
    assert high.height == pytest.approx(2 * low.height)
    assert none.height == 0
    assert (high.week, high.value) == (WEEK - 1, 10)


@given(st.lists(st.integers(0, 10**6), max_size=60), st.booleans())
def test_every_column_stands_on_the_baseline_inside_the_drawing(values: list[int], bare: bool) -> None:
    chart = column_chart(weeks(values), 200, bare=bare)
    assert chart.baseline == (199 if bare else 200 - BOTTOM)
    for column in chart.columns:
        assert column.y + column.height == pytest.approx(chart.baseline, abs=0.02)
        assert column.y >= (1 if bare else TOP) - 0.01
        assert column.x >= START
        assert column.x + column.width <= WIDTH


@pytest.mark.parametrize("count", [2, 12, 52, 53])
def test_columns_do_not_touch(count: int) -> None:
    columns = column_chart(weeks([1] * count), height=200).columns
    assert all(left.x + left.width < right.x for left, right in pairwise(columns))


def test_a_single_week_is_a_column_and_no_wall() -> None:
    (column,) = column_chart(weeks([3]), height=200).columns
    assert column.width < 40
    assert column.x + column.width / 2 == pytest.approx(column.middle)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 2), (2, 2), (3, 4), (5, 6), (7, 8), (11, 20), (21, 40), (41, 60), (999, 1000)]
)
def test_the_scale_ends_at_a_number_people_read_at_a_glance(value: int, top: int) -> None:
    assert round_up(value) == top


def test_the_scale_names_nothing_half_and_top() -> None:
    assert [line.value for line in column_chart(weeks([37]), 200).lines] == [0, 20, 40]


def test_few_weeks_are_all_named_and_of_many_the_first_of_each_quarter() -> None:
    assert all(column.named for column in column_chart(weeks([1] * 12), 200).columns)
    named = [column.week for column in column_chart(weeks([1] * 52), 200).columns if column.named]
    assert named == [Week(2026, 1), Week(2026, 14), Week(2026, 27), Week(2026, 40)]


# --- points by week and guideline ---------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 500), min_size=5, max_size=5), min_size=1, max_size=53))
def test_picture_and_table_are_the_same_numbers(counted: list[list[int]]) -> None:
    points = {
        str(WEEK - back): {EVERY: sum(of), **dict(zip(SLUGS, of, strict=True))}
        for back, of in reversed(list(enumerate(counted)))
    }
    picture = over_time(points)
    assert [(str(week), every) for week, every, _ in picture.rows] == [
        (week, of[EVERY]) for week, of in points.items()
    ]
    assert [column.value for column in picture.chart.columns] == [every for _, every, _ in picture.rows]
    for place, part in enumerate(picture.parts):
        assert [column.value for column in part.chart.columns] == [each[place] for _, _, each in picture.rows]
        assert part.points == sum(each[place] for _, _, each in picture.rows)
    assert picture.points == sum(part.points for part in picture.parts)
    assert sum(part.share for part in picture.parts) == (100 if picture.points else 0)
    assert (picture.best is None) is (picture.points == 0)
    assert picture.best is None or picture.best.value == max(every for _, every, _ in picture.rows)


def test_the_strips_of_the_guidelines_share_one_scale() -> None:
    picture = over_time({str(WEEK): {"": 12, "team-player": 8, "relationships": 4}})
    heights = {part.guideline: part.chart.columns[0].height for part in picture.parts}
    assert heights["team-player"] == pytest.approx(2 * heights["relationships"])
    assert heights["positive-energy"] == 0


def test_nothing_counted_is_a_picture_of_nothing() -> None:
    assert over_time({}).best is None
    assert over_time({str(WEEK): {}}).best is None


@given(st.lists(st.integers(0, 1000), min_size=5, max_size=5))
def test_shares_are_whole_percents_that_make_a_hundred(values: list[int]) -> None:
    found = shares(values)
    assert sum(found) == (100 if sum(values) else 0)
    for value, share in zip(values, found, strict=True):
        assert abs(share - 100 * value / (sum(values) or 1)) < 1


# --- the rhythm ---------------------------------------------------------------------------------------------


@given(st.dates(date(1990, 1, 1), date(2200, 1, 1)))
def test_the_quarters_of_a_year_hold_each_of_its_weeks_once(day: date) -> None:
    week = Week.of(day)
    assert week in week.quarter
    last = Week.of(date(week.year, 12, 28)).number
    quarters = [Week(week.year, number).quarter for number in (1, 14, 27, 40)]
    assert [one.number for quarter in quarters for one in quarter] == list(range(1, last + 1))


def test_a_year_of_53_weeks_has_fourteen_in_its_last_quarter() -> None:
    assert len(Week(2026, 53).quarter) == 14
    assert len(Week(2025, 52).quarter) == 13
    found = quarters_to(Week(2027, 1), 2)
    assert (found[0], found[13], found[14], found[-1]) == (
        Week(2026, 40),
        Week(2026, 53),
        Week(2027, 1),
        Week(2027, 13),
    )


@pytest.mark.parametrize("now", [Week(2026, 1), Week(2026, 47), Week(2026, 53), Week(2027, 2)])
def test_every_begun_week_is_a_square_in_its_own_place_and_the_future_is_empty(now: Week) -> None:
    points = dict.fromkeys(quarters_to(now, 5), 0) | {now: 9, now - 1: 36}
    picture = rhythm(points, now - 20, now)
    assert [one.week for one in picture.squares] == [now - back for back in reversed(range(21))]
    by_week = {one.week: one for one in picture.squares}
    assert [one.week for one in picture.squares if one.now] == [now]
    assert by_week[now - 1].side == LARGEST
    assert by_week[now].side == pytest.approx(LARGEST / 2), "a quarter of the points is a quarter of the area"
    assert sum(one.quiet for one in picture.squares) == 19
    places = [(one.x + one.side / 2, one.y + one.side / 2) for one in picture.squares]
    assert len({(round(x), round(y)) for x, y in places}) == 21
    assert all(one.x >= 0 and one.x + one.side <= picture.width for one in picture.squares)
    assert all(one.y >= 0 and one.y + one.side <= picture.height for one in picture.squares)
    assert len(picture.rows) == 5


def test_a_team_without_any_points_yet_has_only_quiet_weeks() -> None:
    picture = rhythm(dict.fromkeys(quarters_to(WEEK, 1), 0), WEEK, WEEK)
    assert [(one.quiet, one.now) for one in picture.squares] == [(True, True)]


@pytest.mark.parametrize(
    ("value", "most", "shade"), [(0, 9, 0), (1, 9, 1), (3, 9, 2), (9, 9, 4), (1, 1, 4), (0, 0, 0)]
)
def test_shades_go_from_none_to_four(value: int, most: int, shade: int) -> None:
    assert level(value, most) == shade
