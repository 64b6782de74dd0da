"""The board page over real sockets: unchanged, kept and fresh, against an empty page of the same app and of bare Flask."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

from sqlmodel import Session

from bench.ingest import Server
from bench.load import request, send
from bench.measuring import MOMENT, Figure, company, in_folder, in_turns
from leaderboard import people
from leaderboard.app import create_app
from leaderboard.database import Database, beat
from leaderboard.ledger import post
from leaderboard.plugin import Event
from leaderboard.tables import Person
from leaderboard.weeks import now

TIMES = 60


def pages(folder: Path) -> list[Figure]:
    """Seconds of one page, one connection, as the person's browser asks for it every second."""
    folder.mkdir(parents=True, exist_ok=True)
    url = in_folder(folder / "own")
    db, ids = company(url, 200)
    moment = now()
    events = [
        Event(f"a/{n}", "knowledge.shared", moment - timedelta(minutes=1), (f"p{n % 200}@example.com",))
        for n in range(600)
    ]
    db.write(lambda session: post(session, "desk", events, moment))
    with Server(folder, url).running() as server:
        headers = {"Cookie": cookie(server, db, ids[0])}
        page = request("GET", "/board", headers=headers)
        same = request("GET", "/board", headers=headers | {"If-None-Match": tag(server, page)})
        empty, bare = request("GET", "/empty", headers=headers), request("GET", "/bare/empty")

        def ask(what: bytes) -> float:
            return send(server.port, [what] * TIMES).each

        numbers = count()

        def moved(session: Session) -> None:
            """One of those at the top gets points."""
            n = next(numbers)
            fact = Event(f"m/{n}", "knowledge.shared", moment, (f"p{190 + n % 10}@example.com",))
            post(session, "desk", [fact], moment)

        def fresh(change: Callable[[Session], None]) -> float:
            seconds = 0.0
            for _ in range(TIMES // 3):
                db.write(change)
                seconds += send(server.port, [page]).latencies[0]
            return seconds / (TIMES // 3)

        def alone() -> float:
            return sum(send(server.port, [empty]).latencies[0] for _ in range(TIMES // 3)) / (TIMES // 3)

        for warm in (page, same, empty, bare):
            assert set(send(server.port, [warm] * 20).statuses) <= {200, 304}
        nothing, flask, unchanged, kept, anew, onwards, once = in_turns(
            lambda: ask(empty),
            lambda: ask(bare),
            lambda: ask(same),
            lambda: ask(page),
            lambda: fresh(beat),
            lambda: fresh(moved),
            alone,
        )
    db.dispose()
    note = f"{nothing * 1000:.2f} ms; bare Flask {flask * 1000:.2f} ms"
    return [
        Figure(
            "board unchanged (304) to an empty page of the app",
            nothing / unchanged,
            0.8,
            True,
            _ms(unchanged),
        ),
        Figure("board kept to an empty page of the app", nothing / kept, 0.8, True, _ms(kept)),
        Figure("board fresh, as it was, to an empty page of the app", once / anew, 0.4, True, _ms(anew)),
        Figure(
            "board fresh, a row moved, to an empty page of the app", once / onwards, 0.4, True, _ms(onwards)
        ),
        Figure("the app's empty page to bare Flask's", flask / nothing, None, True, note),
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def tag(server: Server, page: bytes) -> str:
    """The page's ETag."""
    head = send(server.port, [page]).heads[0].decode()
    return next(line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("etag:"))


def cookie(server: Server, db: Database, person_id: int) -> str:
    """What the browser of this signed-in person sends."""
    app = create_app(server.config, db)
    with db.writing() as session:
        secret = people.sign_in(session, person_id, max(now(), MOMENT), 24)
        epoch = session.get_one(Person, person_id).fs_uniquifier
    client = app.test_client()
    with client.session_transaction() as values:
        values.update(_user_id=epoch, _fresh=True, signed_in=secret)
    client.get("/board")  # from now on the session carries a form's token, too
    found = client.get_cookie("extra_mile")
    assert found is not None
    return f"extra_mile={found.value}"
