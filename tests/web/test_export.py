"""CSV files: whole, and inert in a spreadsheet."""

import csv
import io
import re

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.web.export import STARTS, csv_file, inert


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "  =1", "－2"]
)
def test_no_text_can_become_a_formula(text: str) -> None:
    cell = str(inert(text))
    assert cell.startswith("'")
    assert cell.replace("'", "") == text.replace("'", "")


@given(st.text(max_size=40))
def test_a_text_is_kept_and_never_begins_like_a_formula(text: str) -> None:
    cell = str(inert(text))
    assert cell.replace("'", "") == text.replace("'", "")
    assert not cell.lstrip(" ").startswith(tuple(STARTS))


@pytest.mark.parametrize("divider", [";", "|", "\t", "\r", "\n", "\r\n"])
@given(texts=st.lists(st.text("=+-@＝－ a1)", max_size=6), min_size=1, max_size=4))
def test_nor_does_any_part_of_it_for_a_program_that_divides_at_other_signs(
    divider: str, texts: list[str]
) -> None:
    for part in re.split(r"[;|\t\r\n]", str(inert(divider.join(texts)))):
        assert not part.lstrip(" ").startswith(tuple(STARTS)) or part.lstrip(" ").startswith("-)")


def test_a_wink_stays_a_wink() -> None:
    assert inert("Thank you ;-) and see you; soon") == "Thank you ;-) and see you; soon"


def test_numbers_stay_numbers() -> None:
    assert [inert(-3), inert(0), inert(None)] == [-3, 0, ""]


def test_the_file_holds_every_cell_and_has_a_name() -> None:
    with Flask(__name__).app_context():
        response = csv_file("points", ["who", "points"], [["Ana, of Care", 8], ['Ben "B"\nOkafor', -2]])
    assert response.headers["Content-Disposition"] == 'attachment; filename="points.csv"'
    assert response.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(response.get_data().decode("utf-8-sig"), newline="")))
    assert rows == [["who", "points"], ["Ana, of Care", "8"], ['Ben "B"\nOkafor', "-2"]]
