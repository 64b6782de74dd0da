"""What is particular to Freshdesk: a pull does most of the work, rules sign nothing, and a ticket's times are in its stats."""

import json
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
from leaderboard.plugin import Delivery, Event, Invalid, Refused, TryLater
from leaderboard.tables import Promise
from plugins.freshdesk import Freshdesk
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL, translated
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_a import freshdesk
from tests.plugins.road import road_of, total
from tests.plugins.tools import NOW, Said, iso
from tests.plugins.tools_a import FreshdeskTool

HOUR = timedelta(hours=1)
ANA, BEN = 77, 88


@pytest.fixture
def desk() -> Iterator[tuple[FreshdeskTool, Pulled]]:
    with FreshdeskTool().running() as tool:
        assert isinstance(tool, FreshdeskTool)
        yield tool, freshdesk(tool)


def pulled(desk: tuple[FreshdeskTool, Pulled], http: httpx.Client, **settings: Any) -> dict[str, Event]:
    return {event.key: event for event in desk[1].events(http, **settings)[0]}


# ---------------------------------------------------------------- the rule


def test_the_rule_in_the_guide_is_what_the_sample_shows() -> None:
    sample = next(sample for sample in OF_TOOL["freshdesk"] if sample.case == "thanks")
    assert list(sample.json()) == ["extra_mile", "ticket", "agent", "customer", "words"]


@pytest.mark.parametrize("ticket", [None, "", "abc", "٥", -1, True, ["5"], "5/../6"])
def test_a_thanks_without_a_ticket_number_is_refused(ticket: Any) -> None:
    sample = next(sample for sample in OF_TOOL["freshdesk"] if sample.case == "thanks")
    body = json.dumps({**sample.json(), "ticket": ticket}).encode()
    with pytest.raises(Invalid):
        list(sample.plugin.events(Delivery(body, {}, NOW)))


def test_a_rule_without_our_secret_is_refused() -> None:
    plugin = Freshdesk(domain="fairhaven", secret="our-secret")
    for headers in ({}, {"x-extra-mile-secret": "another"}, {"authorization": "our-secret"}):
        with pytest.raises(Refused, match="X-Extra-Mile-Secret"):
            plugin.verify(Delivery(b"{}", headers, NOW))


@pytest.mark.parametrize("domain", ["", "fairhaven.freshdesk.com", "a/b", "evil.example/", "A", "-a", "a@b"])
def test_a_domain_is_one_name_and_no_other_host(domain: str) -> None:
    with pytest.raises(ValidationError, match="first part"):
        Freshdesk(domain=domain, secret="s")


def test_without_a_key_nothing_is_pulled() -> None:
    assert Freshdesk(domain="fairhaven", secret="s").api_url() is None


# ---------------------------------------------------------------- ratings


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (103, "rating.good"),
        (102, "rating.good"),
        (101, "rating.good"),
        (100, None),
        (-101, "rating.bad"),
        (-103, "rating.bad"),
        (5, None),
        (None, None),
        (True, None),
    ],
)
def test_the_scale_is_freshdesks_own(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client, value: Any, kind: str | None
) -> None:
    desk[0].rate(1, value, NOW - HOUR)
    assert [event.kind for event in pulled(desk, http).values()] == ([kind] if kind else [])


def test_a_rating_is_to_the_credit_of_who_was_rated(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    tool, _ = desk
    tool.rate(1, 103, NOW - HOUR, "Thank you", agent_id=BEN)
    tool.rate(2, 103, NOW - HOUR, agent_id=None)
    tool.change(1, NOW, responder_id=ANA)
    found = pulled(desk, http)
    assert found["rating/1/thanks"].agents == (str(BEN),)
    assert found["rating/2/good"].agents == ()


def test_a_rating_that_changes_twice_is_one_thing_with_two_facts(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    tool, _ = desk
    keys = set()
    for minute, value in ((1, -103), (2, 103), (3, -103)):
        tool.ratings.clear()
        tool.rate(1, value, NOW - HOUR, updated_at=iso(NOW - HOUR + timedelta(minutes=minute)))
        keys |= {(key, event.object) for key, event in pulled(desk, http).items()}
    assert keys == {("rating/1/bad", "rating/1"), ("rating/1/good", "rating/1")}


# ---------------------------------------------------------------- tickets


def test_a_ticket_tells_when_it_was_solved_and_reopened(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    tool, _ = desk
    at, before = iso(NOW - HOUR), iso(NOW - 2 * HOUR)
    tool.change(1, NOW, status=5, stats={"resolved_at": at, "reopened_at": before})
    tool.change(2, NOW, status=2, stats={"resolved_at": before, "reopened_at": at})
    tool.change(3, NOW, status=5, stats={"resolved_at": None, "closed_at": at})
    tool.change(4, NOW, status=4, stats={})
    assert set(pulled(desk, http)) == {
        f"ticket/1/solved/{at}",
        f"ticket/1/reopened/{before}",
        f"ticket/2/reopened/{at}",
        f"ticket/3/solved/{at}",
    }


def test_spam_and_deleted_tickets_are_no_facts(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    solved = {"status": 4, "stats": {"resolved_at": iso(NOW)}, "tags": ["thanks"]}
    desk[0].change(1, NOW, spam=True, **solved)
    desk[0].change(2, NOW, deleted=True, **solved)
    assert pulled(desk, http) == {}
    assert not any(path.endswith("/conversations") for path in desk[0].paths())


def test_a_note_is_help_only_on_a_colleagues_ticket(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    tool, _ = desk
    for number, owner in ((1, ANA), (2, None)):
        tool.change(number, NOW, responder_id=owner)
        tool.write(number, number * 10 + 1, BEN, NOW - HOUR, private=True, source=2)
        tool.write(number, number * 10 + 2, ANA, NOW - HOUR, private=True, source=2)
    tool.write(1, 13, ANA, NOW - HOUR)
    tool.write(1, 14, 500, NOW - HOUR, incoming=True)
    tool.write(1, 15, 500, NOW - HOUR, source=6)  # a survey's answer
    tool.write(1, 16, BEN, NOW - timedelta(days=30), private=True, source=2)  # long before we began
    tool.write(1, 17, None, NOW - HOUR, private=True, source=2)  # type: ignore[arg-type]  # nobody, a rule
    found = pulled(desk, http)
    assert set(found) == {"note/11/helped", "note/13/replied"}
    help_given = found["note/11/helped"]
    assert (help_given.agents, help_given.giver, help_given.text) == ((str(BEN),), str(ANA), None)
    assert pulled(desk, http, read_notes=False) == {}


def test_a_thanks_by_the_rule_and_by_the_pull_is_one(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    by_rule = next(sample for sample in OF_TOOL["freshdesk"] if sample.case == "thanks").events[0]
    tool, _ = desk
    tool.change(4711, NOW, tags=["vip", "thanks"])
    tool.write(4711, 1, 500, NOW - 3 * HOUR, incoming=True, body_text="Where is our luggage?")
    tool.write(4711, 2, ANA, NOW - 2 * HOUR)
    tool.write(4711, 3, 500, NOW - HOUR, incoming=True, body_text="She found our luggage!")
    thanks = pulled(desk, http, read_notes=False)["thanks/4711"]
    assert (thanks.key, thanks.object) == (by_rule.key, by_rule.object)
    assert (thanks.text, thanks.occurred_at, thanks.agents) == (
        "She found our luggage!",
        NOW - HOUR,
        (str(ANA),),
    )


def test_only_promised_due_times_are_promises(desk: tuple[FreshdeskTool, Pulled], http: httpx.Client) -> None:
    due = {"due_by": iso(NOW + HOUR), "responder_id": ANA}
    desk[0].change(1, NOW, tags=["promise"], **due)
    desk[0].change(2, NOW, **due)
    desk[0].change(3, NOW, tags=["promise"])
    assert list(pulled(desk, http)) == [f"promise/1/made/{iso(NOW + HOUR)}"]
    assert len(pulled(desk, http, promises="all")) == 2
    assert pulled(desk, http, promises="none") == {}


# ---------------------------------------------------------------- articles, accounts, limits


def test_only_published_articles_of_the_named_folders_are_read(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    article = {"id": 9, "agent_id": ANA, "status": 2, "title": "Lost", "updated_at": iso(NOW - HOUR)}
    desk[0].articles = [
        article,
        {**article, "id": 10, "status": 1},
        {**article, "id": 11, "updated_at": iso(NOW - timedelta(days=20))},
        {**article, "id": 12, "agent_id": None},
    ]
    assert list(pulled(desk, http)) == ["article/9/published"]
    assert pulled(desk, http, article_folders=()) == {}


def test_accounts_are_agents_with_their_confirmed_addresses(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    for number, more in ((1, {}), (2, {"active": False}), (3, {})):
        contact = {"email": f"{number}@example.com", "name": f"N{number}", "active": True, **more}
        desk[0].agents.append({"id": number, "contact": contact, "deactivated": number == 3})
    found = [(a.id, a.email, a.name, a.verified) for a in desk[1].make().accounts(http)]
    assert found == [("1", "1@example.com", "N1", True), ("2", "2@example.com", "N2", False)]


def test_addresses_of_next_pages_are_never_called(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    """The Link header names another host in this tool: it only tells that there is more."""
    for number in range(1, 8):
        desk[0].change(number, NOW - HOUR, status=4, stats={"resolved_at": iso(NOW - HOUR)})
    assert len(pulled(desk, http)) == 7


def test_a_limit_in_the_middle_of_the_notes_keeps_the_pages_before(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client
) -> None:
    tool, pull = desk
    for number in range(1, 7):
        at = NOW - timedelta(hours=7 - number)
        tool.change(number, at, status=4, stats={"resolved_at": iso(at)})
    tool.misbehaves = lambda asked: (
        Said(status=429, headers={"Retry-After": "30"}) if "/5/" in asked.path else None
    )
    pages = []
    with pytest.raises(TryLater) as caught:
        pages.extend(pull.make().pull(http, None))
    assert caught.value.seconds == 30
    tool.misbehaves = lambda asked: None
    tool.asked.clear()
    events, _ = pull.events(http, pages[-1].cursor)
    assert {event.ticket for page in pages for event in page.events} == {"1", "2", "3", "4"}
    assert {event.ticket for event in events} == {"4", "5", "6"}  # the last one again: harmless


def test_a_list_without_an_end_is_left(desk: tuple[FreshdeskTool, Pulled], http: httpx.Client) -> None:
    more = Said([], headers={"Link": '<https://fairhaven.freshdesk.com/>; rel="next"'})
    desk[0].misbehaves = lambda asked: more if "ratings" in asked.path else None
    with pytest.raises(Invalid, match="more than 300 pages"):
        pulled(desk, http)


@pytest.mark.parametrize("cursor", ["nonsense", "ratings=x&tickets=1", f"ratings={iso(NOW)}"])
def test_a_cursor_that_is_not_ours_is_refused(
    desk: tuple[FreshdeskTool, Pulled], http: httpx.Client, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


# ---------------------------------------------------------------- the whole road


@pytest.fixture
def road(db: Database, company: Company, desk: tuple[FreshdeskTool, Pulled]) -> tuple[FreshdeskTool, Config]:
    return road_of(db, company, desk, "freshdesk", ana=str(ANA), ben=str(BEN))


def test_an_unhappy_rating_an_answer_and_a_happy_one_are_a_recovery(
    db: Database, company: Company, clock: Clock, road: tuple[FreshdeskTool, Config]
) -> None:
    tool, config = road
    tool.rate(1, -103, NOON - 3 * HOUR, "Nobody rang.", ticket_id=9, user_id=5)
    tool.change(9, NOON - HOUR, responder_id=ANA)
    tool.write(9, 1, ANA, NOON - 2 * HOUR)
    tool.rate(2, 103, NOON - HOUR, "Thank you", ticket_id=9, user_id=5)
    assert deliveries.pull(db, config, "freshdesk", clock) == 3
    assert deliveries.pull(db, config, "freshdesk", clock) == 0
    assert total(db, company) == 12


def test_a_promise_is_on_record_moved_in_time_and_kept(
    db: Database, company: Company, clock: Clock, road: tuple[FreshdeskTool, Config]
) -> None:
    """Each pull sees only the due time of that moment."""
    tool, config = road
    steps = (
        (4, {"due_by": iso(NOON - 2 * HOUR)}),
        (3, {"due_by": iso(NOON)}),
        (1, {"due_by": iso(NOON), "status": 4, "stats": {"resolved_at": iso(NOON - HOUR)}}),
    )
    for hours, more in steps:
        tool.tickets.clear()
        tool.now = NOON - hours * HOUR
        tool.change(9, tool.now, tags=["promise"], **more)
        deliveries.pull(db, config, "freshdesk", clock)
    with db.reading() as session:
        row = session.exec(select(Promise)).one()
    assert (row.state, row.due_at, row.confirmed_as, row.maker_id) == (
        "kept",
        NOON,
        "helpdesk",
        company["ana"],
    )
    assert total(db, company) == 5


def test_a_promise_that_was_tagged_after_it_was_kept_earns_nothing(
    db: Database, company: Company, clock: Clock, road: tuple[FreshdeskTool, Config]
) -> None:
    tool, config = road
    solved = {"status": 4, "stats": {"resolved_at": iso(NOON - 2 * HOUR)}, "due_by": iso(NOON + HOUR)}
    tool.change(9, NOON - HOUR, tags=["promise"], **solved)
    assert deliveries.pull(db, config, "freshdesk", clock) == 3
    assert total(db, company) == 0


def test_help_and_thanks_reach_whom_they_are_due(
    db: Database, company: Company, clock: Clock, road: tuple[FreshdeskTool, Config]
) -> None:
    tool, config = road
    tool.change(9, NOON - HOUR, responder_id=ANA, tags=["thanks"])
    tool.write(9, 1, BEN, NOON - 2 * HOUR, private=True, source=2)
    tool.write(9, 2, 500, NOON - HOUR, incoming=True, body_text="Thank you so much!")
    sample = next(sample for sample in OF_TOOL["freshdesk"] if sample.case == "thanks")
    assert translated(sample.plugin, sample.delivery()) is not None
    deliveries.pull(db, config, "freshdesk", clock)
    by_rule = {**sample.json(), "ticket": "9"}
    assert (
        deliveries.receive(db, config, "freshdesk", Delivery(json.dumps(by_rule).encode(), {}, NOON)).new == 0
    )
    assert (total(db, company), total(db, company, "ben")) == (8, 3)
