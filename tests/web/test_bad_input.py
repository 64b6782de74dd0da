"""No input is a fault: the corpus in every field of every form, every query and every address, as whoever may send it.

The walk takes routes from the map, a form's fields from the pages that show it, and other names from what a route asks for, so
that what comes new is walked by itself. `./dev soak` tries every text in every place.
"""

import io
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from random import Random
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

import pytest
from flask import request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Rule

from leaderboard import people
from leaderboard.database import Database
from leaderboard.tables import Person
from tests import corpus
from tests.make import PASSWORD
from tests.trials import dice, trials
from tests.visitor import Visitor
from tests.web.test_permissions import MATRIX, is_for_tokens
from tests.web.world import World, world

__all__ = ["world"]

FORM = 64 * 1024
TEXTS = {name: text for name, text in corpus.texts().items() if len(text) < FORM // 8} | {
    "a number": "9" * 30
}
"""Those that fit into a form; the others never reach a field (413)."""
HARD = ("T9 NUL inside", "T62 script", "a number")
"""Of these every place gets one, for they have broken the most."""
WHO = {"public": None, "member": "ana", "lead": "lea", "admin": "ada"}
PLAUSIBLE = {
    "date": "2026-11-20",
    "datetime-local": "2026-11-26T10:00",
    "number": "1",
    "email": "zoe@example.com",
    "password": PASSWORD,
}
WORDS = (
    "Ben called three branches, found the shirt for the family and brought it to the station just in time."
)
Fields = dict[str, str]


class Asked(ImmutableMultiDict[str, Any]):
    """A query or form that remembers which names the route asked for."""

    names: ClassVar[defaultdict[str, set[str]]] = defaultdict(set)

    def _ask(self, name: object) -> None:
        if isinstance(name, str) and name != "csrf_token" and request.endpoint:
            Asked.names[request.endpoint].add(name)

    def __contains__(self, name: object) -> bool:
        self._ask(name)
        return super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        self._ask(name)
        return super().__getitem__(name)

    def get(self, name: str, *default: Any, **more: Any) -> Any:
        self._ask(name)
        return super().get(name, *default, **more)

    def getlist(self, name: str, *more: Any) -> list[Any]:
        self._ask(name)
        return super().getlist(name, *more)


class Forms(HTMLParser):
    """The forms of a page: where each goes, its fields with what a person might have filled in, and which are files."""

    def __init__(self, path: str, page: str) -> None:
        super().__init__()
        self.path = path
        self.found: list[tuple[str, Fields]] = []
        self.by_id: dict[str, Fields] = {}
        self.select: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        it = {name: value or "" for name, value in attrs}
        if tag == "form":
            fields: Fields = {}
            if it.get("method", "get").lower() == "post":
                self.found.append((urlsplit(it.get("action") or self.path).path, fields))
            self.by_id[it.get("id", "")] = self.by_id[""] = fields
        fields = self.by_id.get(it.get("form", ""), {})
        name = it.get("name", "")
        if tag in ("input", "textarea", "button") and name not in ("", "csrf_token"):
            kind = it.get("type", "text")
            if kind not in ("radio", "checkbox") or name not in fields or "checked" in it:
                words = PLAUSIBLE.get(kind, WORDS[: int(it.get("maxlength", "2000"))])
                fields[name] = it.get("value") or words
        if tag == "select":
            self.select = name
        if tag == "option" and self.select and (self.select not in fields or "selected" in it):
            fields[self.select] = it.get("value", "")


def doors(world: World) -> Iterator[tuple[str | None, str, Rule, str]]:
    """Whom a route is for, its method, the route, and its address."""
    for who, rows in MATRIX.items():
        for method in ("GET", "POST"):
            for rule, address in world.routes(method):
                if method in rows.get(rule.rule, "").split():
                    yield WHO[who], method, rule, address


class Walk:
    """Sends texts through one door after another, and counts."""

    def __init__(self, world: World, token: str, chance: Random) -> None:
        self.world, self.token, self.chance = world, token, chance
        self.sent = 0
        Asked.names.clear()
        self.visitors = {handle: world.visitor(handle) for handle in WHO.values()}
        self.forms: dict[str, Fields] = {}
        world.app.request_class.parameter_storage_class = Asked

    def some(self, count: int) -> list[tuple[str, str]]:
        """One of the hard texts and so many others, or all of them."""
        every = sorted(TEXTS.items())
        if count >= len(every):
            return every
        hard = HARD[self.sent % len(HARD)]
        return [(hard, TEXTS[hard]), *self.chance.sample(every, count)]

    def send(self, handle: str | None, method: str, path: str, what: str, fields: Fields) -> str:
        """One request; the page that came. A session that a request before has ended is begun again."""
        headers = {"Authorization": f"Bearer {self.token}"} if is_for_tokens(path) else {}
        for limiter in self.world.app.extensions["limiter"]:
            limiter.reset()
        for _ in range(2):
            visitor = self.visitors[handle]
            data: dict[str, Any] = {name: self.coded(text) for name, text in fields.items()}
            if method == "GET":
                answer = visitor.get(path, query_string=_query(fields), headers=headers)
            elif path == "/admin/people/import":
                data["file"] = (io.BytesIO(self.coded(fields.get("file", ""))), "people.csv")
                answer = visitor.submit(path, data)
            else:
                answer = visitor.submit(path, data, headers=headers)
            self.sent += 1
            if not (handle and answer.status_code == 302 and answer.location.startswith("/sign-in?next=")):
                break
            self.visitors[handle] = self.world.visitor(handle)
        assert answer.status_code < 500 or path == "/healthz", (method, path, what)  # red: no clock runs here
        if answer.mimetype != "text/html":
            return ""
        assert "<script>alert" not in answer.text, (method, path, what)
        return answer.text

    @staticmethod
    def coded(text: str) -> bytes:
        return text.encode("utf-8", "surrogatepass")

    def learn(self) -> None:
        """Open every page once: which forms there are, and what the routes ask for."""
        for handle, method, _rule, path in doors(self.world):
            if method == "GET" and (page := self.send(handle, "GET", path, "nothing", {})):
                self.forms |= dict(Forms(path, page).found)
        for handle, method, _rule, path in doors(self.world):
            if method == "POST" and not _ends_a_session(path):
                self.send(handle, "POST", path, "nothing", {})

    def walk(self, each: int) -> None:
        """Every door: in its address, then in each field that it has, the others filled in well; at last in all at once."""
        for handle, method, rule, path in doors(self.world):
            for argument in sorted(rule.arguments):
                for what, text in self.some(each):
                    self.send(handle, method, self.put(rule, argument, text), f"{argument}: {what}", {})
            good = self.forms.get(path, {}) if method == "POST" else {}
            names = sorted(set(good) | Asked.names[rule.endpoint])
            for name in names:
                for what, text in self.some(each):
                    self.send(handle, method, path, f"{name}: {what}", good | {name: text})
            for what, text in self.some(each) if names else ():
                self.send(handle, method, path, f"everywhere: {what}", dict.fromkeys(names, text))

    def put(self, rule: Rule, argument: str, text: str) -> str:
        """The route's address with this text in one place."""
        mark = "999999999"
        names = self.world.names | {argument: mark, f"{rule.rule.split('/')[1]}.{argument}": mark}
        built = World(self.world.app, self.world.company, names).address(rule)
        return built.replace(mark, quote(self.coded(text), safe="") or "%20")


def _query(fields: Fields) -> str:
    return "&".join(f"{quote(name)}={quote(Walk.coded(text), safe='')}" for name, text in fields.items())


def _ends_a_session(path: str) -> bool:
    return path in ("/sign-out", "/me/sign-out-everywhere")


@pytest.mark.promise(number=28)
def test_no_text_in_any_place_is_a_fault(world: World, db: Database, record_property: Any) -> None:
    with db.writing() as session:
        ada = session.get_one(Person, world.company["ada"])
        token = people.token_create(
            session, ada, ["read", "write", "admin"], 90, world.app.extensions["clock"]()
        )
    walk = Walk(world, token, dice(f"bad input on {db.engine.dialect.name}"))
    walk.learn()
    assert len(walk.forms) > 30
    assert {"name", "team", "after"} <= Asked.names["people.directory"]
    assert "story" in walk.forms["/nominate"]
    walk.walk(trials(1))
    for handle, method, _rule, path in doors(world):  # every page shows what was kept
        if method == "GET":
            walk.send(handle, "GET", path, "afterwards", {})
    record_property("requests", walk.sent)
    assert walk.sent > 1_000


def test_what_was_kept_is_shown_as_it_was_typed(world: World) -> None:
    ada = world.visitor("ada")
    numbers = itertools.count()
    for text in ("<script>alert(1)</script>", "=1+1", "مرحبا", "👩‍👩‍👧"):
        person = {"name": text, "email": f"p{next(numbers)}@example.com", "team": "care", "role": "member"}
        assert ada.submit("/admin/people/new", person).status_code == 303, text
    kept = ada.get("/admin/people?name=script").text
    assert "&lt;script&gt;" in kept
    assert "<script>alert" not in kept


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_text_in_a_header_is_a_fault(client_of: Callable[[str], Visitor]) -> None:
    for header in ("Accept-Language", "If-None-Match", "User-Agent", "X-Forwarded-For", "Cookie"):
        ana = client_of("ana")
        for what, text in TEXTS.items():
            value = Walk.coded(text).decode("latin-1").replace("\r", " ").replace("\n", " ")
            assert ana.get("/board", headers={header: value}).status_code < 500, (header, what)
