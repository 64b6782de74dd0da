"""What every table shares: names of constraints, closed lists, public names of rows."""

import re
import uuid

from sqlalchemy import CheckConstraint
from sqlmodel import SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

WITNESSES = ("colleague", "customer", "promise", "work")
COMPANY = 0
"""The `team_id` of a score that counts for the whole company."""
EVERY = ""
"""The `guideline` of a score that counts all five."""


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """A closed list, kept by the database."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def new_uid() -> str:
    """A name for a row that tells nothing about it and can stand in an address."""
    return uuid.uuid4().hex


def is_uid(text: str) -> bool:
    """Whether this can be the name of a row: asked before a database is, which may not even take the text."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None
