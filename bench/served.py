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
from typing import Any

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
SCORE = "INSERT INTO score VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET points = points + excluded.points"
TALLY = (
    "INSERT INTO tally VALUES (?, ?, 0, ?, 0, 0, ?, ?, ?) ON CONFLICT DO UPDATE SET customer = customer + excluded.customer, "
    "last_at = excluded.last_at, last_source = excluded.last_source, last_key = excluded.last_key"
)
PULSE = "INSERT INTO pulse VALUES (?, 1) ON CONFLICT DO UPDATE SET beats = beats + 1"
PERIODS = ("2026-W47", "2026-11", "2026-Q4", "2026")


def app() -> Any:
    """granian's factory: our app, and below /bare the bare one."""
    ours = wsgi()
    ours.add_url_rule("/empty", "empty", lambda: "")
    bare = bare_app(os.environ["BENCH_BARE"], os.environ["BENCH_SECRET"])

    def choose(environ: dict[str, Any], start: Any) -> Any:
        return (bare if environ["PATH_INFO"].startswith(BARE) else ours)(environ, start)

    return choose


def bare_app(file: str, secret: str) -> Flask:
    """An empty page, a signed delivery of which one row is written, and one with all its rows."""
    made = Flask("bare")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    local, turn = threading.local(), threading.Lock()

    def connection() -> Any:
        if not hasattr(local, "connection"):
            local.connection = sqlite_module().connect(file, isolation_level=None)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                local.connection.execute(f"PRAGMA {pragma}")
        return local.connection

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
        body, db = checked(), connection()
        with turn:
            db.execute("BEGIN IMMEDIATE")
            delivery(db, body)
            db.execute("COMMIT")
        return {"state": "done"}, 202

    @made.post("/bare/rows")
    def rows() -> ResponseReturnValue:
        body, db = checked(), connection()
        fact = json.loads(body)["data"]
        who = int(fact["agent"].partition("@")[0][1:]) + 1
        at = "2026-11-18 12:00:00.000000"
        with turn:
            db.execute("BEGIN IMMEDIATE")
            id_ = delivery(db, body)
            values = (
                "bench",
                fact["key"],
                "thanks.received",
                None,
                at,
                at,
                None,
                None,
                None,
                None,
                fact["key"],
            )
            values += (fact["ticket"], None, fact["text"], None, "{}", id_)
            event = db.execute(NEW["event"], values).fetchone()[0]
            values = (
                event,
                "thanks.received",
                fact["agent"],
                who,
                who,
                1,
                None,
                None,
                None,
                None,
                at,
                "2026-11-18",
            )
            credit = db.execute(NEW["credit"], (*values, "2026-W47", False, 1, None, 0)).fetchone()[0]
            values = (
                credit,
                event,
                who,
                1,
                "thanks.received",
                "customer",
                "relationships",
                8,
                8,
                "full",
                "2026-W47",
            )
            entry = db.execute(NEW["points_entry"], (*values, "2026-11-18", 1, at, None)).fetchone()[0]
            db.execute(WORTH, (8, entry, credit))
            db.execute(TALLY, (who, "2026-W47", 8, at, "bench", fact["key"]))
            scores = [
                (team, period, line, who, 8)
                for team in (0, 1)
                for period in PERIODS
                for line in ("", "relationships")
            ]
            db.executemany(SCORE, scores)
            db.execute(PULSE, (event % 16,))
            db.execute("COMMIT")
        return {"state": "done"}, 202

    def delivery(db: Any, body: bytes) -> int:
        at = "2026-11-18 12:00:00.000000"
        values = ("bench", at, body, "{}", "/hooks/bench", "done", None, 1, 0, 1, None, at)
        return int(db.execute(NEW["delivery"], values).fetchone()[0])

    return made
