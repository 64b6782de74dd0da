"""Every table and column has an answer in export and erasure, and docs/privacy.md gives the same answers."""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Table
from sqlmodel import SQLModel

import leaderboard.tables  # noqa: F401 (its tables are what is looked at)
from leaderboard.tables.privacy import PRIVACY, Answer
from tests.test_tree import ROOT

TABLES = {table.name: table for table in SQLModel.metadata.sorted_tables}
SECRETS = re.compile(r"password|secret|hash|codes|public_key|credential|uniquifier|epoch|^key$")
WORDS = re.compile(
    r"^(name|handle|email|alias|text|story|words|note|reason|opening|body|customer|what|contact)$"
)

in_every_table = pytest.mark.parametrize("name", sorted(TABLES))


def test_every_table_has_an_answer_and_no_answer_is_about_a_table_that_is_gone() -> None:
    assert set(PRIVACY) == set(TABLES)


@in_every_table
def test_every_column_has_exactly_one_answer(name: str) -> None:
    columns = [column.name for column in TABLES[name].columns]
    answered = [column for answer in PRIVACY[name].answers for column in answer.columns]
    assert sorted(answered) == sorted(columns)
    assert all(answer.why for answer in PRIVACY[name].answers)


@in_every_table
def test_whose_a_row_is_is_said_wherever_it_names_a_person(name: str) -> None:
    table, answer = TABLES[name], PRIVACY[name]
    assert set(answer.whose) <= {column.name for column in table.columns} | set(TABLES)
    if people_in(table):
        assert answer.whose, "a row that names a person is somebody's"
    for column in people_in(table):
        (said,) = answer.of(column)
        assert column in answer.whose or said.erasure in ("kept", "deleted"), column


def people_in(table: Table) -> list[str]:
    """The columns that lead to a person."""
    return [
        column.name
        for column in table.columns
        if any(key.column.table.name == "person" for key in column.foreign_keys)
    ]


def answers() -> Iterator[tuple[str, str, Answer]]:
    for name, table in PRIVACY.items():
        for answer in table.answers:
            for column in answer.columns:
                yield name, column, answer


def test_no_secret_is_in_an_export_and_none_outlives_the_person() -> None:
    secrets = [(name, column, answer) for name, column, answer in answers() if SECRETS.search(column)]
    assert len(secrets) >= 8
    keys_of_facts = {("event", "key"), ("event", "customer_key"), ("credit", "customer_key")}
    for name, column, answer in secrets:
        if (name, column) not in keys_of_facts:
            assert answer.export == "no", (name, column)
            assert answer.erasure != "kept", (name, column)


def test_no_words_about_a_person_are_kept_without_a_reason_of_their_own() -> None:
    kept = {
        (name, column)
        for name, column, answer in answers()
        if WORDS.search(column) and answer.erasure == "kept"
    }
    assert kept == {
        ("team", "name"),  # a team's
        ("act", "what"),  # one of our names for acts
        ("source", "name"),  # a tool's
        ("refusal", "reason"),  # why a tool was refused
        ("channel", "name"),  # what a team calls its channel
        ("rules_version", "note"),  # why the company changed a number
        ("nomination", "customer"),  # part of the story, a customer's
        ("tally", "customer"),  # a number of points
    }


def test_the_ledger_is_kept_as_it_is() -> None:
    assert {answer.erasure for answer in PRIVACY["points_entry"].answers} == {"kept"}


# --- the same in words --------------------------------------------------------------------------------------


def in_words() -> str:
    """The registry as docs/privacy.md shows it."""
    lines = ["| table | columns | export | erasure | why |", "|---|---|---|---|---|"]
    for name, table in sorted(PRIVACY.items()):
        for answer in table.answers:
            columns = ", ".join(f"`{column}`" for column in answer.columns)
            lines.append(f"| `{name}` | {columns} | {answer.export} | {answer.erasure} | {answer.why} |")
    return "\n".join(lines) + "\n"


def test_the_page_about_privacy_gives_the_same_answers() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text("utf-8")
    assert in_words() in page, "docs/privacy.md should hold:\n" + in_words()
