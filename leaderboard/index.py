"""What search finds things by: the words of people and stories, in FTS5 of SQLite and as tsvector in PostgreSQL.

Two tables beside the others, `person_words` and `story_words`. Triggers take words out of them in the moment in which what they
came from changes or goes, by whatever road; saving a row puts its words in. What came past our classes (a restore, a statement
by hand) is taken in by `fill`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Cast, Connection, Select, cast, event, func, literal, literal_column, select, text
from sqlalchemy import inspect as looked_at
from sqlalchemy.sql import column, table

from leaderboard.tables import Nomination, Person
from leaderboard.words import Term, folded

OF: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "person_words": ("person", {"words": ("name", "handle"), "alias": ("alias",)}),
    "story_words": ("nomination", {"words": ("story",), "customer": ("customer",)}),
}
"""By table: what it is made of, and by column the columns whose words it holds. Apart stands what not everybody may find by."""
SHADOWS = ("", "_data", "_idx", "_content", "_docsize", "_config")
"""What FTS5 makes of a table: https://www.sqlite.org/fts5.html#fts5_data_structures"""
NAMES = frozenset(f"{name}{shadow}" for name in OF for shadow in SHADOWS)
AT_ONCE = 500


def triggers(dialect: str) -> Iterator[str]:
    """The statements that let the index forget with its rows, safe to repeat."""
    for name, (whose, columns) in OF.items():
        sources = [source for of in columns.values() for source in of]
        if dialect == "sqlite":
            for act, when in (("change", f"UPDATE OF {', '.join(sources)}"), ("delete", "DELETE")):
                yield f"DROP TRIGGER IF EXISTS {name}_{act}"
                forgets = f"BEGIN DELETE FROM {name} WHERE rowid = old.id; END"  # noqa: S608 (our own tables)
                yield f"CREATE TRIGGER {name}_{act} AFTER {when} ON {whose} {forgets}"
            continue
        # It compares by itself: PostgreSQL lets no migration touch a column that a trigger names.
        old, new = (", ".join(f"{row}.{source}" for source in sources) for row in ("OLD", "NEW"))
        forgets = f"DELETE FROM {name} WHERE id = OLD.id"  # noqa: S608 (our own tables)
        yield (
            f"CREATE OR REPLACE FUNCTION {name}_forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF TG_OP = 'DELETE' OR ({old}) IS DISTINCT FROM ({new}) THEN {forgets}; END IF; RETURN NULL; END $$"
        )
        yield f"DROP TRIGGER IF EXISTS {name}_forget ON {whose}"
        yield (
            f"CREATE TRIGGER {name}_forget AFTER UPDATE OR DELETE ON {whose} "
            f"FOR EACH ROW EXECUTE FUNCTION {name}_forget()"
        )


# ---------------------------------------------------------------- putting in


def _put(connection: Connection, name: str, rows: Sequence[dict[str, Any]]) -> None:
    sqlite = connection.dialect.name == "sqlite"
    columns = list(OF[name][1])
    marks = [f":{one}" if sqlite else f"CAST(:{one} AS tsvector)" for one in columns]
    id_ = "rowid" if sqlite else "id"
    connection.execute(text(f"DELETE FROM {name} WHERE {id_} = :id"), [{"id": row["id"]} for row in rows])  # noqa: S608
    kept = f"INSERT INTO {name} ({id_}, {', '.join(columns)}) VALUES (:id, {', '.join(marks)})"  # noqa: S608
    connection.execute(text(kept), [_values(name, row, sqlite) for row in rows])


def _values(name: str, row: dict[str, Any], sqlite: bool) -> dict[str, Any]:
    values = {"id": row["id"]}
    for one, sources in OF[name][1].items():
        kept = folded("\n".join(row[source] or "" for source in sources))
        values[one] = kept if sqlite else _vector(kept)
    return values


def _vector(kept: str) -> str:
    """As PostgreSQL reads a tsvector: each word with its place. Our words hold no quote and no backslash."""
    return " ".join(f"'{word}':{place}" for place, word in enumerate(kept.split(), 1))


def _saved(name: str) -> Any:
    sources = [source for of in OF[name][1].values() for source in of]

    def put(_mapper: Any, connection: Connection, target: Any) -> None:
        state = looked_at(target)
        if not state.persistent or any(state.attrs[source].history.has_changes() for source in sources):
            _put(
                connection,
                name,
                [{"id": target.id, **{source: getattr(target, source) for source in sources}}],
            )

    return put


for _name, _class in (("person_words", Person), ("story_words", Nomination)):
    for _moment in ("after_insert", "after_update"):
        event.listen(_class, _moment, _saved(_name))


def fill(connection: Connection) -> int:
    """Take in whatever is not there yet, and take out what has nothing to stand for; returns how many rows that were."""
    moved = 0
    for name, (whose, columns) in OF.items():
        row_id = "rowid" if connection.dialect.name == "sqlite" else "id"
        gone = connection.exec_driver_sql(
            f"DELETE FROM {name} WHERE {row_id} NOT IN (SELECT id FROM {whose})"  # noqa: S608 (our own tables)
        )
        moved += gone.rowcount
        sources = [source for of in columns.values() for source in of]
        missing = connection.exec_driver_sql(MISSING[connection.dialect.name][name]).scalars().all()
        rows = table(whose, column("id"), *(column(source) for source in sources))
        for first in range(0, len(missing), AT_ONCE):
            some = select(rows).where(rows.c.id.in_(missing[first : first + AT_ONCE]))
            _put(connection, name, [dict(row) for row in connection.execute(some).mappings()])
        moved += len(missing)
    return moved


MISSING = {
    dialect: {
        name: f"SELECT id FROM {whose} WHERE NOT EXISTS "  # noqa: S608 (our own tables)
        f"(SELECT 1 FROM {name} WHERE {name}.{row_id} = {whose}.id) ORDER BY id"
        for name, (whose, _) in OF.items()
    }
    for dialect, row_id in (("sqlite", "rowid"), ("postgresql", "id"))
}
"""How to ask for what cannot be found."""


# ---------------------------------------------------------------- asking


def having(dialect: str, name: str, of: str, term: Term, *, beginning: bool) -> Select[Any]:
    """The ids of the rows whose column `of` holds a term; `beginning`: also as the beginning of a word."""
    asked = f"{of} : {_match(term, beginning)}" if dialect == "sqlite" else _query(term, beginning)
    return _select(dialect, name).where(_holds(dialect, name, of, asked))


def ranked(dialect: str, name: str, terms: Sequence[Term]) -> Select[Any]:
    """(id, rank) of the rows whose `words` hold any of these terms, the more the higher; others have 0 or are left out."""
    last = len(terms) - 1
    if dialect == "sqlite":
        any_of = " OR ".join(_match(term, n == last) for n, term in enumerate(terms))
        rank: Any = -func.bm25(literal_column(name))
        asked = f"words : ({any_of})"
    else:
        asked = " | ".join(f"({_query(term, n == last)})" for n, term in enumerate(terms))
        return _select(dialect, name).add_columns(
            func.ts_rank(column("words"), _tsquery(asked), 1).label("rank")
        )
    found = _select(dialect, name).where(_holds(dialect, name, "words", asked))
    return found.add_columns(rank.label("rank"))


def _select(dialect: str, name: str) -> Select[Any]:
    id_: Any = column("rowid" if dialect == "sqlite" else "id")
    return select(id_.label("id")).select_from(table(name))


def _holds(dialect: str, name: str, of: str, asked: str) -> Any:
    if dialect == "sqlite":
        return literal_column(name).op("MATCH")(literal(asked))
    return literal_column(f"{name}.{of}").op("@@")(_tsquery(asked))


def _tsquery(asked: str) -> Cast[str]:
    from sqlalchemy.dialects.postgresql import TSQUERY  # on SQLite nothing of this dialect is loaded

    return cast(asked, TSQUERY)


def _match(term: Term, beginning: bool) -> str:
    return f'"{" ".join(term)}"{" *" if beginning else ""}'


def _query(term: Term, beginning: bool) -> str:
    return " <-> ".join(f"'{sign}'" for sign in term) + (":*" if beginning else "")
