"""What is particular to Zammad: two forms of a body, a user who is nobody, states with names, and a search for tags."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlmodel import select

from leaderboard import deliveries
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid, Refused
from leaderboard.tables import Promise
from plugins.zammad import Zammad
from tests.make import NOON, Clock, Company
from tests.plugins import FOLDER, OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_a import zammad
from tests.plugins.road import road_of, total
from tests.plugins.tools import NOW, Said, iso
from tests.plugins.tools_a import ZammadTool

HOUR = timedelta(hours=1)
ADDRESS = "https://zammad.example.com"
PLUGIN = Zammad(address=ADDRESS, secret="s")


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["zammad"] if found.case == case)


def events_of(body: Any, plugin: Zammad = PLUGIN) -> list[Event]:
    return list(plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


def changed(case: str, part: str, plugin: Zammad = PLUGIN, **fields: Any) -> list[Event]:
    """The events of a sample with some fields of one part changed."""
    body = sample(case).json()
    body[part] = {**body[part], **fields}
    return events_of(body, plugin)


# ---------------------------------------------------------------- settings and the door


@pytest.mark.parametrize(
    "address",
    [
        "",
        "zammad.example.com",
        "ftp://a.example",
        "https://",
        "https://me:pw@a.example",
        "https://a?b=c",
        "http://[::",
    ],
)
def test_an_address_is_one_of_the_web_without_credentials(address: str) -> None:
    with pytest.raises(ValidationError, match="where the tool is"):
        Zammad(address=address, secret="s")


def test_without_a_token_nothing_is_pulled() -> None:
    assert PLUGIN.api_url() is None
    assert Zammad(address=f"{ADDRESS}/", secret="s", api_token="t").api_url() == ADDRESS


def test_a_signature_says_its_algorithm() -> None:
    right = PLUGIN.sign(b"{}", NOW)["X-Hub-Signature"]
    PLUGIN.verify(Delivery(b"{}", {"x-hub-signature": right}, NOW))
    for wrong in ("", right.removeprefix("sha1="), right.replace("sha1", "sha256")):
        with pytest.raises(Refused):
            PLUGIN.verify(Delivery(b"{}", {"x-hub-signature": wrong}, NOW))


# ---------------------------------------------------------------- the templates


def templates() -> list[dict[str, str]]:
    """The bodies that the README gives to paste."""
    guide = (FOLDER / "zammad" / "README.md").read_text("utf-8")
    found = re.findall(r"^ {4}(\{\"extra_mile\".*\}|\{\n(?: {6}.*\n)+ {4}\})$", guide, re.MULTILINE)
    return [json.loads(re.sub(r"^ {4}", "", block, flags=re.MULTILINE)) for block in found]


PLACEHOLDERS = {
    "ticket.id": "81",
    "ticket.owner.id": "3",
    "ticket.updated_by.id": "7",
    "ticket.customer.id": "9",
    "article.sender.name": "Customer",
    "article.content_type": "text/plain",
    "article.body": "She found our luggage!\n\nThank you ❤️",
    "ticket.updated_at": "2026-11-20 09:00:00 UTC",
}


def test_the_templates_in_the_guide_mean_what_the_samples_say() -> None:
    found = []
    for template in templates():
        filled = {
            name: PLACEHOLDERS[value[2:-1]] if value[:2] == "#{" else value
            for name, value in template.items()
        }
        found += events_of(filled)
    keys = ["rating/81/thanks", "rating/81/good", "ticket/81/reopened/2026-11-20T09:00:00Z"]
    assert [event.key for event in found] == keys
    assert found[0] == sample("thanks").events[0]
    assert found[1].giver is None  # a survey is the customer's act


@pytest.mark.parametrize(
    "moment", ["2026-11-20T09:00:00Z", "2026-11-20 09:00:00 UTC", "2026-11-20T10:00:00+01:00"]
)
def test_a_templates_time_may_be_written_as_zammad_writes_it(moment: str) -> None:
    assert events_of({**sample("reopened").json(), "at": moment})[0].occurred_at == NOW


@pytest.mark.parametrize(
    "moment", [None, "", " UTC", "2026-11-20 09:00:00", "#{ticket.updated / no such method}"]
)
def test_a_template_without_a_time_is_refused(moment: Any) -> None:
    with pytest.raises(Invalid):
        events_of({**sample("thanks").json(), "at": moment})


def test_good_bad_and_thanks_on_one_ticket_are_about_one_rating() -> None:
    ratings = [sample(case).events[0] for case in ("rating_good", "thanks", "rating_bad")]
    assert {event.object for event in ratings} == {"rating/81"}
    assert {event.object for event in sample("merged").events} == {event.key for event in ratings}


# ---------------------------------------------------------------- Zammad's own form


def test_a_note_is_help_only_on_a_colleagues_ticket() -> None:
    kinds = {
        owner: [event.kind for event in changed("note_helps", "ticket", owner_id=owner)]
        for owner in (3, 4, 1, None)
    }
    assert kinds == {3: ["help.given"], 4: [], 1: [], None: []}
    assert changed("note_helps", "article", created_by_id=1) == []  # the system
    assert changed("note_helps", "article", sender="System") == []


def test_an_article_must_say_whether_it_is_internal() -> None:
    with pytest.raises(Invalid, match="internal"):
        changed("note_helps", "article", internal=None)


def test_states_have_the_names_that_the_company_gives_them() -> None:
    german = Zammad(address=ADDRESS, secret="s", solved_states=("geschlossen",))
    assert "ticket.solved" not in {
        event.kind for event in changed("closed_in_time", "ticket", state="geschlossen")
    }
    found = changed("closed_in_time", "ticket", german, state="geschlossen")
    assert found[0].key == sample("closed_in_time").events[0].key


def test_the_last_closing_counts_where_zammad_knows_it() -> None:
    (solved, *_) = changed("closed_in_time", "ticket", last_close_at="2026-11-20T11:00:00.000Z")
    assert solved.key == "ticket/81/solved/2026-11-20T11:00:00Z"


def test_the_first_answer_is_a_promise_only_where_it_is_asked_for() -> None:
    assert not any("response" in event.key for event in changed("closed_in_time", "ticket"))
    with_sla = Zammad(address=ADDRESS, secret="s", sla_promises=True)
    unanswered = changed("closed_in_time", "ticket", with_sla, first_response_at=None)
    assert [event.kind for event in unanswered if "response" in event.key] == ["promise.made"]


def test_what_happened_long_before_the_change_came_with_its_own_webhook() -> None:
    with_sla = Zammad(address=ADDRESS, secret="s", sla_promises=True)
    found = changed("closed_in_time", "ticket", with_sla, updated_at="2026-11-25T09:00:00.000Z")
    assert [event.kind for event in found] == ["ticket.solved", "promise.made", "promise.kept"]
    assert not any("response" in event.key for event in found)


def test_a_ticket_without_an_owner_earns_nobody_anything() -> None:
    found = changed("closed_in_time", "ticket", owner_id=1)
    assert {event.agents for event in found if event.kind != "ticket.replied"} == {()}


# ---------------------------------------------------------------- the pull


@pytest.fixture
def desk() -> Iterator[tuple[ZammadTool, Pulled]]:
    with ZammadTool().running() as tool:
        assert isinstance(tool, ZammadTool)
        yield tool, zammad(tool)


@pytest.mark.parametrize("case", ["closed_in_time", "note_helps", "merged", "promised"])
def test_a_fact_has_one_key_by_webhook_and_by_pull(
    desk: tuple[ZammadTool, Pulled], http: httpx.Client, case: str
) -> None:
    body = sample(case).json()
    expand = {
        "owner": "ana@example.com",
        "customer": "ito@example.com",
        "tags": [],
    }  # names in place of objects
    desk[0].tickets = [{**body["ticket"], **expand}]
    if "article" in body:
        desk[0].articles["81"] = [body["article"]]
    events, _ = desk[1].events(http, sla_promises=True)
    assert [(event.key, event.kind, event.agents) for event in events] == [
        (event.key, event.kind, event.agents) for event in sample(case).events
    ]


def test_a_thanks_has_one_key_by_trigger_and_by_pull(
    desk: tuple[ZammadTool, Pulled], http: httpx.Client
) -> None:
    tool, pulled = desk
    tool.thank(81, NOW, "<p>She found our <b>luggage</b>!</p>")
    tool.articles["81"][0]["content_type"] = "text/html"
    tool.write(81, 2, 500, NOW - HOUR, sender="Customer", body="Where is it?")
    tool.write(81, 3, 77, NOW + HOUR)
    events, _ = pulled.events(http, read_articles=False)
    assert [(event.key, event.text) for event in events] == [("rating/81/thanks", "She found our luggage!")]


def test_articles_are_not_asked_for_where_nobody_wants_them(
    desk: tuple[ZammadTool, Pulled], http: httpx.Client
) -> None:
    desk[0].change(1, NOW)
    desk[0].write(1, 2, 88, NOW, internal=True)
    desk[0].write(1, 3, 88, NOW - timedelta(days=30), internal=True)  # long before we began
    assert [event.key for event in desk[1].events(http)[0]] == ["article/2/helped"]
    desk[0].asked.clear()
    assert desk[1].events(http, read_articles=False)[0] == []
    assert not any("articles" in path for path in desk[0].paths())


def test_only_answers_published_since_are_knowledge_shared(
    desk: tuple[ZammadTool, Pulled], http: httpx.Client
) -> None:
    published = {"published_at": iso(NOW - HOUR), "published_by_id": 77, "archived_at": None}
    for number, more in enumerate(
        (
            {},
            {"published_at": None},
            {"archived_at": iso(NOW)},
            {"published_at": iso(NOW - 300 * HOUR)},
            {"published_by_id": 1},
        )
    ):
        desk[0].answers[str(number)] = {"id": number + 1, **published, **more}
    assert [event.key for event in desk[1].events(http)[0]] == ["answer/1/published"]
    assert desk[1].events(http, knowledge_base=False)[0] == []


def test_a_search_that_always_answers_the_same_ends(
    desk: tuple[ZammadTool, Pulled], http: httpx.Client
) -> None:
    same = Said([{"id": 1, "state": "open", "updated_at": iso(NOW)}])
    desk[0].misbehaves = lambda asked: same if asked.path.endswith("/search") else None
    desk[1].events(http, read_articles=False)
    assert desk[0].paths().count("/api/v1/tickets/search") == 4


@pytest.mark.parametrize("cursor", ["nonsense", "tickets=x&thanks=1", f"tickets={iso(NOW)}"])
def test_a_cursor_that_is_not_ours_is_refused(
    desk: tuple[ZammadTool, Pulled], http: httpx.Client, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_the_staff(desk: tuple[ZammadTool, Pulled], http: httpx.Client) -> None:
    user = {
        "active": True,
        "firstname": "Ana",
        "lastname": "Alvarez",
        "email": "ana@example.com",
        "roles": ["Agent"],
    }
    desk[0].users = [
        {**user, "id": 1, "firstname": "-", "lastname": "", "active": False},
        {**user, "id": 3},
        {**user, "id": 4, "active": False},
        {**user, "id": 9, "roles": ["Customer"]},
        {**user, "id": 5, "roles": ["Customer", "Admin"]},
    ]
    found = [(a.id, a.email, a.name) for a in desk[1].make().accounts(http)]
    assert found == [(number, "ana@example.com", "Ana Alvarez") for number in ("3", "5")]


# ---------------------------------------------------------------- the whole road


@pytest.fixture
def road(db: Database, company: Company, desk: tuple[ZammadTool, Pulled]) -> tuple[ZammadTool, Config]:
    return road_of(db, company, desk, "zammad", ana="3", ben="4")


def send(db: Database, config: Config, body: Any) -> int:
    return deliveries.receive(db, config, "zammad", Delivery(json.dumps(body).encode(), {}, NOON)).new


@pytest.mark.parametrize(("by", "points"), [("3", 0), ("4", 8), ("1", 8)])
def test_nobody_earns_by_tagging_a_thanks_to_themselves(
    db: Database, company: Company, road: tuple[ZammadTool, Config], by: str, points: int
) -> None:
    told = {**sample("thanks").json(), "by": by, "at": iso(NOON - HOUR)}
    assert send(db, road[1], told) == 1
    assert total(db, company) == points


def test_a_promise_made_by_webhook_and_closed_in_time_by_pull_is_kept(
    db: Database, company: Company, clock: Clock, road: tuple[ZammadTool, Config]
) -> None:
    tool, config = road
    open_ticket = {"id": 81, "state": "open", "owner_id": 3, "updated_at": iso(NOON - 4 * HOUR)}
    assert send(db, config, {"ticket": {**open_ticket, "promised_for": iso(NOON)}, "article": None}) == 1
    closed = {"state": "closed", "close_at": iso(NOON - HOUR), "promised_for": iso(NOON), "owner_id": 3}
    tool.change(81, NOON - HOUR, **closed)
    assert deliveries.pull(db, config, "zammad", clock) == 2
    assert deliveries.pull(db, config, "zammad", clock) == 0
    with db.reading() as session:
        assert session.exec(select(Promise.state)).one() == "kept"
    assert total(db, company) == 5
