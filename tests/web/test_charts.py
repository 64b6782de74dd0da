"""The column chart: what is drawn is what was counted."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.web.charts import BOTTOM, TOP, column_chart, round_up


def test_heights_stand_in_the_ratio_of_the_values() -> None:
    chart = column_chart([("W1", 5), ("W2", 10), ("W3", 0)], width=600, height=200)
    low, high, none = chart.columns
    assert high.height == pytest.approx(2 * low.height)
    assert none.height == 0
    assert (high.label, high.value) == ("W2", 10)


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_every_column_stands_on_the_baseline_inside_the_drawing(values: list[int]) -> None:
    chart = column_chart([(str(place), value) for place, value in enumerate(values)], width=400, height=200)
    assert chart.baseline == 200 - BOTTOM
    for column in chart.columns:
        assert column.y + column.height == pytest.approx(chart.baseline, abs=0.02)
        assert column.y >= TOP - 0.01
        assert column.x >= 0
        assert column.x + column.width <= 400


def test_columns_do_not_touch() -> None:
    columns = column_chart([("", 1)] * 12, width=358, height=200).columns
    assert all(left.x + left.width < right.x for left, right in pairwise(columns))


@pytest.mark.parametrize(
    ("value", "top"), [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (21, 40), (41, 100), (999, 1000)]
)
def test_the_scale_ends_at_a_number_people_read_at_a_glance(value: int, top: int) -> None:
    assert round_up(value) == top


def test_the_scale_names_nothing_half_and_top() -> None:
    assert [line.value for line in column_chart([("W1", 37)], 600, 200).lines] == [0, 20, 40]
