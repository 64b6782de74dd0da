"""Puts a text into every column that holds somebody's words, in every row there is: P25 and P31 then look at what comes out."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import JSON, String, Table, text
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from leaderboard.database import Database

FREE: dict[str, set[str]] = {
    "act": {"detail", "why"},
    "announcement": {"error"},  # its subject and body are made of the others, and looked at on their way out
    "backfill": {"error"},
    "channel": {"name"},
    "closed_week": {"opening"},
    "delivery": {"reason", "url"},
    "event": {"customer", "text"},
    "follow_up": {"note"},
    "heartbeat": {"error"},
    "identity": {"account", "name"},
    "invitation": {"error"},
    "letter": {"error"},
    "merge": {"reason"},
    "nomination": {"story", "customer", "reason"},
    "person": {"name", "alias"},
    "promise": {"what", "customer", "ticket", "contact", "authorised_by", "note"},
    "promise_move": {"reason"},
    "recognition": {"reason", "words", "dropped_reason"},
    "refusal": {"reason"},
    "reversal": {"reason", "undo_reason"},
    "rules_version": {"note"},
    "source": {"pull_error", "refused_reason"},
    "team": {"name"},
    "token": {"name"},
    "webauthn": {"name"},
}
"""Columns of texts that people, tools or errors write."""
FIXED: dict[str, set[str]] = {
    "act": {"what", "source"},
    "announcement": {"subject", "body", "state"},
    "backfill": {"source", "state", "cursor"},
    "channel": {"kind", "target"},
    "closed_week": {"week"},
    "credit": {"kind", "agent", "customer_key", "share_why", "week"},
    "delivery": {"source", "state"},
    # checked where they come in: keys and objects are ids, an address is one of the web's
    "event": {"source", "key", "kind", "guideline", "giver", "customer_key", "object", "ticket", "url"},
    "follow_up": {"state"},
    "heartbeat": {"job"},
    "identity": {"source", "email"},
    "invitation": {"subject", "body", "state"},  # made of names, looked at on their way out
    "merged_credit": {"share_why"},
    "nomination": {"uid", "guideline", "state", "worth_why"},
    "letter": {"state"},
    "nominee": {"share_why"},
    "notice": {"sort", "state"},
    "notice_way": {"sort", "way"},
    "person": {
        *("uid", "handle", "email", "role", "timezone", "locale", "theme", "visibility", "password"),
        *("fs_uniquifier", "tf_primary_method", "tf_totp_secret", "tf_phone_number"),
        *("fs_webauthn_user_handle", "oidc_issuer", "oidc_subject", "picture"),
    },
    "picture": {"type"},
    "points_entry": {"kind", "witness", "guideline", "why", "week"},
    "promise": {"uid", "source", "object", "url", "state", "confirmed_as"},
    "recognition": {"category"},
    "refusal": {"source", "cause"},
    "reversal": {"source", "state"},
    "rules_version": {"from_week"},
    "score": {"period", "guideline"},
    "signed_in": {"key"},
    "source": {"name", "cursor", "pull_cause"},
    "tally": {"week", "last_source", "last_key"},
    "team": {"slug", "timezone", "next_timezone", "next_timezone_from", "first_week", "accepts", "closes_at"},
    "token": {"hash", "scopes", "epoch"},
    "webauthn": {"device_type", "extensions", "usage"},
}
"""Columns of texts from closed lists, keys, hashes, and what is checked letter by letter where it comes in."""
JSONS: dict[str, set[str]] = {
    "closed_week": {"name", "text", "teller", "people", "words"},
    "delivery": {"x-note"},
}
"""Of the JSON columns: the keys whose texts are somebody's words."""


def unnamed() -> list[str]:
    """Columns of text that stand in neither list, and names in them that no column has."""
    real = {
        (table.name, column.name)
        for table in SQLModel.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, String | AutoString)
    }
    listed = {(table, name) for kind in (FREE, FIXED) for table, names in kind.items() for name in names}
    return sorted(f"{table}.{name}" for table, name in real ^ listed)


def poison(db: Database, write: Callable[[str], str]) -> int:
    """Set every free column of every row to `write(table.column)`, made unlike others by the row where it must be; how many."""
    count = 0
    with db.engine.begin() as connection:
        for table in SQLModel.metadata.tables.values():
            for column in sorted(FREE.get(table.name, ())):
                unique = _is_unique(table, column)
                for number, key in enumerate(
                    connection.execute(table.select().with_only_columns(*table.primary_key))
                ):
                    words = write(f"{table.name}.{column}") + (f" {number}" if unique else "")
                    where = [col == value for col, value in zip(table.primary_key, key, strict=True)]
                    connection.execute(table.update().where(*where).values({column: words}))
                    count += 1
            count += _poison_json(connection, table, write)
        connection.execute(text("UPDATE pulse SET beats = beats + 1"))
    return count


def _is_unique(table: Table, column: str) -> bool:
    return bool(table.columns[column].unique) or any(
        column in constraint.columns
        for constraint in table.constraints
        if type(constraint).__name__ == "UniqueConstraint"
    )


def _poison_json(connection: Any, table: Table, write: Callable[[str], str]) -> int:
    names, count = JSONS.get(table.name, set()), 0
    for column in table.columns:
        if not isinstance(column.type, JSON) or not names:
            continue
        key = next(iter(table.primary_key))
        for number, value in connection.execute(table.select().with_only_columns(key, column)).all():
            changed = _changed(value, names, write(f"{table.name}.{column.name}"))
            connection.execute(table.update().where(key == number).values({column.name: changed}))
            count += changed != value
    return count


def _changed(value: Any, names: set[str], words: str) -> Any:
    if isinstance(value, dict):
        return {
            name: (words if isinstance(inner, str) else [words] * len(inner))
            if name in names
            and isinstance(inner, str | list)
            and (isinstance(inner, str) or all(isinstance(i, str) for i in inner))
            else _changed(inner, names, words)
            for name, inner in value.items()
        }
    return [_changed(inner, names, words) for inner in value] if isinstance(value, list) else value
