"""The server that is measured: our app as `leaderboard run` serves it, with a bare app beside it in the same process.

The bare app is this machine's limit: Flask without anything of ours. It checks the same signature and writes the very same rows
by plain SQL, in one commit.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import psycopg
from flask import Flask, request
from flask.typing import ResponseReturnValue

from leaderboard.serve import wsgi
from leaderboard.sqlite import sqlite_module

BARE = "/bare"
COLUMNS = {
    "delivery": "source received_at body headers url state reason events repeated attempts next_try_at worked_at",
    "event": "source key kind guideline occurred_at posted_at giver_id giver customer customer_key object ticket due_at text "
    "url evidence delivery_id",
    "credit": "event_id kind agent identity_id person_id team_id customer_key share full_share share_why counts_at counts_on "
    "week late rules_version withdrawn_by points",
    "points_entry": "credit_id event_id person_id team_id kind witness guideline points full_points why week counts_on "
    "rules_version posted_at reverses_id",
}
NEW = {
    table: 'INSERT INTO {} ({}) VALUES ({}) RETURNING "id"'.format(
        table, ", ".join(f'"{name}"' for name in columns.split()), ", ".join("?" * len(columns.split()))
    )
    for table, columns in COLUMNS.items()
}
WORTH = "UPDATE credit SET points = ?, entry_id = ? WHERE id = ?"
SCORE = (
    "INSERT INTO score VALUES (?, ?, ?, ?, ?) ON CONFLICT (team_id, period, guideline, person_id) "
    "DO UPDATE SET points = score.points + excluded.points"
)
TALLY = (
    "INSERT INTO tally VALUES (?, ?, 0, ?, 0, 0, ?, ?, ?) ON CONFLICT (person_id, week) DO UPDATE SET "
    "customer = tally.customer + excluded.customer, last_at = excluded.last_at, last_source = excluded.last_source, "
    "last_key = excluded.last_key"
)
PULSE = "INSERT INTO pulse VALUES (?, 1) ON CONFLICT (shard) DO UPDATE SET beats = pulse.beats + 1"
PERIODS = ("2026-W47", "2026-11", "2026-Q4", "2026")
AT = "2026-11-18 12:00:00.000000"
DAY = "2026-11-18"
WEEK = "2026-W47"


def app() -> Any:
    """granian's factory: our app, and below /bare the bare one."""
    ours = wsgi()
    ours.add_url_rule("/empty", "empty", lambda: "")
    bare = bare_app(os.environ["BENCH_BARE"], os.environ["BENCH_SECRET"])

    def choose(environ: dict[str, Any], start: Any) -> Any:
        return (bare if environ["PATH_INFO"].startswith(BARE) else ours)(environ, start)

    return choose


def bare_app(where: str, secret: str) -> Flask:
    """An empty page, a signed delivery of which one row is written, and one with all its rows.

    `where` is a SQLite file or the address of a PostgreSQL database.
    """
    made = Flask("bare")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    limit = Limit(where)

    def checked() -> bytes:
        body, head = request.get_data(), request.headers
        signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + body
        right = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        if not hmac.compare_digest(head["webhook-signature"], f"v1,{right}"):
            raise PermissionError
        return body

    @made.get("/bare/empty")
    def empty() -> str:
        return ""

    @made.post("/bare/row")
    def row() -> ResponseReturnValue:
        body = checked()
        with limit.unit() as run:
            delivery(run, body)
        return {"state": "done"}, 202

    @made.post("/bare/rows")
    def rows() -> ResponseReturnValue:
        body = checked()
        fact = json.loads(body)["data"]
        with limit.unit() as run:
            all_rows(run, fact, delivery(run, body))
        return {"state": "done"}, 202

    return made


class Limit:
    """Units of work by the driver alone: a connection for each thread, and on SQLite one writer after the other."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._is_sqlite = not where.startswith("postgresql")
        self._local = threading.local()
        self._turn = threading.Lock()

    @contextmanager
    def unit(self) -> Iterator[Callable[[str, Any], Any]]:
        """A function that runs a statement, many times for a list of values; all is committed at the end."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._open()
        connection = self._local.connection

        def run(statement: str, values: Any) -> Any:
            if not self._is_sqlite:
                statement = statement.replace("?", "%s")
            if isinstance(values, list):
                return connection.cursor().executemany(statement, values)
            return connection.execute(statement, values)

        with self._turn if self._is_sqlite else nullcontext():
            if self._is_sqlite:
                connection.execute("BEGIN IMMEDIATE")
            yield run
            connection.commit()

    def _open(self) -> Any:
        if not self._is_sqlite:
            return psycopg.connect(self._where)
        connection: Any = sqlite_module().connect(self._where, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection


def delivery(run: Callable[[str, Any], Any], body: bytes) -> int:
    """The row of a delivery."""
    values = ("bench", AT, body, "{}", "/hooks/bench", "done", None, 1, 0, 1, None, AT)
    return int(run(NEW["delivery"], values).fetchone()[0])


def all_rows(run: Callable[[str, Any], Any], fact: dict[str, str], delivery_id: int) -> None:
    """What our road writes for a customer's thanks: event, credit, line, tally, sixteen scores and the pulse."""
    who, kind = int(fact["agent"].partition("@")[0][1:]) + 1, "thanks.received"
    told = ("bench", fact["key"], kind, None, AT, AT, None, None, None, None, fact["key"], fact["ticket"])
    event = run(NEW["event"], (*told, None, fact["text"], None, "{}", delivery_id)).fetchone()[0]
    credited = (
        event,
        kind,
        fact["agent"],
        who,
        who,
        1,
        None,
        None,
        None,
        None,
        AT,
        DAY,
        WEEK,
        False,
        1,
        None,
        0,
    )
    credit = run(NEW["credit"], credited).fetchone()[0]
    counted = (credit, event, who, 1, kind, "customer", "relationships", 8, 8, "full", WEEK, DAY, 1, AT, None)
    entry = run(NEW["points_entry"], counted).fetchone()[0]
    run(WORTH, (8, entry, credit))
    run(TALLY, (who, WEEK, 8, AT, "bench", fact["key"]))
    boards = [(team, period, line) for team in (0, 1) for period in PERIODS for line in ("", "relationships")]
    run(SCORE, [(*board, who, 8) for board in boards])
    run(PULSE, (event % 16,))
