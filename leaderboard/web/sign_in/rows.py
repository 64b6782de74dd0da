"""People and passkeys as Flask-Security asks for them."""

from collections.abc import Iterable
from typing import Any

from flask import g
from flask_security import RoleMixin
from flask_security.datastore import UserDatastore
from sqlalchemy import delete, inspect
from sqlalchemy.orm import selectinload
from sqlmodel import col, select
from werkzeug.local import LocalProxy

from leaderboard.tables import Person, WebAuthn
from leaderboard.web import db, now


class Rows(UserDatastore):
    """It reads and changes detached rows, and `commit`, at the end of a request, writes the columns that changed.

    A unit of work is open only while it writes: Flask-Security hashes passwords in between. Leavers, bots and people merged
    into others are unknown here.
    """

    def __init__(self) -> None:
        super().__init__(Person, RoleMixin, WebAuthn)

    def find_user(self, case_insensitive: bool = False, **by: Any) -> Person | None:
        attribute, value = by.popitem()
        if isinstance(value, str) and not value.isprintable():
            return None
        with db().reading() as work:
            return work.exec(
                select(Person)
                .options(selectinload(Person.webauthn))  # type: ignore[arg-type]
                .where(getattr(Person, attribute) == value)
                .where(col(Person.active), ~col(Person.bot), col(Person.merged_into_id).is_(None))
            ).first()

    def find_webauthn(self, credential_id: bytes) -> WebAuthn | None:
        with db().reading() as work:
            return work.exec(select(WebAuthn).where(WebAuthn.credential_id == credential_id)).first()

    def create_webauthn(self, user: Person, **values: Any) -> None:  # type: ignore[override]
        moment = now()
        self.put(WebAuthn(user_id=user.id or 0, create_datetime=moment, lastuse_datetime=moment, **values))

    def put(self, row: Any) -> Any:
        _waiting("changed").append(row._get_current_object() if isinstance(row, LocalProxy) else row)
        return row

    def delete(self, row: Any) -> None:
        _waiting("gone").append(row)

    def commit(self) -> None:
        changed, gone = _waiting("changed"), _waiting("gone")
        if not changed and not gone:
            return
        with db().writing() as work:
            for row in changed:
                if row.id is None:
                    work.add(row)
                elif stored := work.get(type(row), row.id):
                    for name in _changed_columns(row):
                        setattr(stored, name, getattr(row, name))
            for row in gone:
                work.connection().execute(delete(type(row)).where(col(type(row).id) == row.id))
        changed.clear()
        gone.clear()


def _waiting(what: str) -> list[Any]:
    """The rows of this request that wait for `commit`."""
    if "rows_waiting" not in g:
        g.rows_waiting = {"changed": [], "gone": []}
    rows: list[Any] = g.rows_waiting[what]
    return rows


def _changed_columns(row: Any) -> Iterable[str]:
    state = inspect(row)
    return [
        column.key for column in state.mapper.column_attrs if state.attrs[column.key].history.has_changes()
    ]
