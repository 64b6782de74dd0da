"""What is particular to Frappe: times of the site's own zone, stars as fractions, an assignment written as text."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from leaderboard import deliveries, standings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid, Refused
from leaderboard.tables import Identity
from plugins.frappe_helpdesk import FrappeHelpdesk
from tests.make import NOON, Clock, Company
from tests.plugins import FOLDER, OF_TOOL
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_d import frappe_helpdesk
from tests.plugins.tools import NOW, Asked, Said
from tests.plugins.tools_d import FrappeTool, local

HOUR = timedelta(hours=1)
TICKETS = "/api/resource/HD%20Ticket"
Desk = tuple[FrappeTool, Pulled]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with FrappeTool().running() as tool:
        assert isinstance(tool, FrappeTool)
        yield tool, frappe_helpdesk(tool)


def pulled(desk: Desk, http: httpx.Client, **settings: Any) -> dict[str, Event]:
    return {event.key: event for event in desk[1].events(http, **settings)[0]}


def sample_of(case: str) -> Any:
    return next(sample for sample in OF_TOOL["frappe_helpdesk"] if sample.case == case)


def told(case: str = "feedback_good", **changed: Any) -> list[Event]:
    sample = sample_of(case)
    body = {**sample.json(), "doc": {**sample.json()["doc"], **changed}}
    return list(sample.plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


# ---------------------------------------------------------------- the webhooks


def test_the_signature_is_of_the_body_as_python_writes_it() -> None:
    """Frappe signs json.dumps of the data and sends the same text, whatever was typed into its template."""
    sample = sample_of("feedback_thanks")
    assert sample.body == json.dumps(sample.json()).encode()
    with pytest.raises(Refused, match="Webhook Secret"):
        sample.plugin.verify(Delivery(sample.body, {}, NOW))


def test_the_templates_in_the_guide_send_what_the_samples_show() -> None:
    guide = (FOLDER / "frappe_helpdesk" / "README.md").read_text("utf-8")
    for case in ("feedback_thanks", "comment_helps", "answer"):
        body = sample_of(case).json()
        template = guide.split(f'"extra_mile": "{body["extra_mile"]}", "doc": {{\n')[1].split("\n\n")[0]
        assert set(re.findall(r'"([a-z_]+)": \{\{', template)) == {*body["doc"], *body} - {
            "extra_mile",
            "doc",
        }


@pytest.mark.parametrize(
    "settings",
    [{"address": "desk.example.com"}, {"timezone": "Mars"}, {"timezone": None}, {"promise_field": 'a","b'}],
)
def test_a_setting_that_is_none_stops_the_start(settings: dict[str, Any]) -> None:
    given = {"address": "https://desk.example.com", "timezone": "UTC", "secret": "s"}
    assert FrappeHelpdesk(**given).api_url() is None
    with pytest.raises(ValidationError):
        FrappeHelpdesk(**{**given, **settings})


# ---------------------------------------------------------------- the same fact by both roads


@pytest.mark.parametrize(
    "case",
    ["feedback_thanks", "feedback_bad", "feedback_unassigned", "resolved", "promised", "resolved_in_time"],
)
def test_a_ticket_by_webhook_and_by_pull_is_the_same_facts(desk: Desk, http: httpx.Client, case: str) -> None:
    sample = sample_of(case)
    desk[0].tickets.append(sample.json()["doc"])
    found = pulled(desk, http, promise_field="custom_promised_for")
    assert list(found) == [event.key for event in sample.events]
    links = {event.url.removeprefix(desk[0].address) for event in found.values() if event.url}
    assert links == {"/helpdesk/tickets/4711"}
    for expected in sample.events:
        same = found[expected.key]
        assert (same.kind, same.occurred_at, same.agents) == (
            expected.kind,
            expected.occurred_at,
            expected.agents,
        )
        assert (same.text, same.customer, same.due_at) == (expected.text, expected.customer, expected.due_at)


def test_comments_answers_and_articles_by_webhook_and_by_pull_are_the_same_facts(
    desk: Desk, http: httpx.Client
) -> None:
    tool = desk[0]
    tool.change(4711, NOW - timedelta(days=30))
    tool.comment("k2v9d0q1hb", 4711, "88", NOW)
    tool.reply("c8f1n4x7ze", 4711, "77", NOW)
    tool.reply("c0", 4711, "ito@example.com", NOW, sent_or_received="Received")
    tool.reply("c1", 4711, "77", NOW, reference_doctype="Lead")
    tool.publish("ART-0042", "77", NOW)
    tool.publish("ART-0043", "77", NOW, status="Draft")
    expected = [sample_of(case).events[0] for case in ("comment_helps", "answer", "article")]
    found = pulled(desk, http)
    assert list(found) == [event.key for event in expected]
    assert [(e.kind, e.occurred_at, e.agents, e.giver) for e in found.values()] == [
        (e.kind, e.occurred_at, e.agents, e.giver) for e in expected
    ]
    left_out = {"read_comments": False, "read_answers": False, "read_articles": False}
    tool.asked.clear()
    assert pulled(desk, http, **left_out) == {}
    assert {path for path in tool.paths() if "Agent" not in path} == {TICKETS}


# ---------------------------------------------------------------- what counts


@pytest.mark.parametrize(
    ("rating", "kind"),
    [
        (1, "rating.good"),
        ("1.0", "rating.good"),
        (0.8, "rating.good"),
        (0.9, "rating.good"),
        (0.7, "rating.good"),
        (0.6, None),
        (0.5, "rating.bad"),
        (0.4, "rating.bad"),
        (0.2, "rating.bad"),
        (0, None),
        (4, None),
        (1.2, None),
        (-0.2, None),
        (True, None),
        ("five", None),
        ([1], None),
    ],
)
def test_stars_are_a_fraction_of_five_and_nothing_else_is_guessed(rating: Any, kind: str | None) -> None:
    """0.5 is two and a half stars, which Python rounds to two; 0.7 three and a half, to four."""
    kinds = [event.kind for event in told(feedback_rating=rating) if event.kind != "ticket.solved"]
    assert kinds == ([kind] if kind else [])


@pytest.mark.parametrize("assigned", [None, "", "[]", "null", '[""]', "[null]"])
def test_a_ticket_that_nobody_has_is_to_nobodys_credit(assigned: str | None) -> None:
    assert {event.agents for event in told(_assign=assigned)} == {()}
    assert told("comment_helps", commented_by="77") == []
    assert told("promised", _assign=assigned) == []


def test_an_assignment_that_is_no_list_is_refused() -> None:
    for nasty in ("{", '"77"', "[[1]]"):
        with pytest.raises(Invalid):
            told(_assign=nasty)


def test_times_are_the_sites_also_when_clocks_are_put_back_and_forward() -> None:
    plugin = FrappeHelpdesk(address="https://desk.example.com", timezone="America/New_York", secret="s")
    for written, meant in (
        ("2026-07-01 12:00:00.000001", datetime(2026, 7, 1, 16, 0, 0, 1, tzinfo=UTC)),
        ("2026-11-01 01:30:00", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("2026-11-01 03:30:00", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, 5, tzinfo=UTC)),
    ):
        assert plugin._time(written) == meant


def test_what_was_over_before_the_beginning_does_not_count(desk: Desk, http: httpx.Client) -> None:
    tool, long_ago = desk[0], local(NOW - timedelta(days=20))
    done = {"status_category": "Resolved", "resolution_date": long_ago}
    tool.rate(1, 1.0, NOW - HOUR, "Thank you", **done)
    tool.rate(2, 1.0, NOW - HOUR, "Thank you", creation=long_ago)
    tool.publish("Old", "77", NOW - HOUR, published_on=long_ago)
    assert pulled(desk, http) == {}
    assert len(pulled(desk, http, pull_from=(NOW - timedelta(days=25)).date())) == 4


# ---------------------------------------------------------------- lists


def test_the_hour_that_comes_twice_is_read_to_its_end(desk: Desk, http: httpx.Client) -> None:
    """Berlin put its clocks back at 01:00 UTC: 02:50 came before 02:10."""
    tool, put_back = desk[0], datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    tool.now = put_back - timedelta(minutes=5)
    tool.rate(1, 1.0, put_back - timedelta(minutes=10), "Thank you")
    found, cursor = desk[1].events(http)
    tool.rate(2, 1.0, put_back + timedelta(minutes=10), "Thank you")
    tool.now = put_back + timedelta(minutes=15)
    later, cursor = desk[1].events(http, cursor)
    tool.rate(3, 1.0, put_back + timedelta(minutes=20), "Thank you")
    tool.now = put_back + timedelta(hours=1)
    last, _ = desk[1].events(http, cursor)
    assert {event.key for event in [*found, *later, *last]} == {f"rating/{n}/thanks" for n in (1, 2, 3)}


def test_a_ticket_that_changes_while_the_list_is_read_hides_no_other(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    for number in range(1, 8):
        tool.rate(number, 1.0, NOW - HOUR + timedelta(minutes=number), "Thank you")

    def touch(asked: Asked) -> Said | None:
        if tool.paths().count(TICKETS) == 2:
            tool.tickets[0]["modified"] = local(NOW)
        return None

    tool.misbehaves = touch
    assert {f"rating/{number}/thanks" for number in range(1, 8)} <= set(pulled(desk, http))


def test_a_list_that_does_not_end_is_left(
    desk: Desk, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.frappe_helpdesk.MOST_PAGES", 5)
    row = desk[0].change(1, NOW - HOUR)
    said = Said({"data": [row, row]})
    desk[0].misbehaves = lambda asked: said if asked.path == TICKETS else None
    with pytest.raises(Invalid, match="pull_from"):
        pulled(desk, http)
    assert len(desk[0].asked) == 6


@pytest.mark.parametrize("cursor", ["nonsense", "from=2026-11-20T09:00:00Z", "from=x"])
def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, http: httpx.Client, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_the_active_agents(desk: Desk, http: httpx.Client) -> None:
    desk[0].agents = [
        {"name": "ana@example.com", "user": "ana@example.com", "agent_name": "Ana", "is_active": 1},
        {"name": "ben@example.com", "user": "ben@example.com", "agent_name": "Ben", "is_active": 0},
        {"name": "Administrator", "user": "Administrator", "agent_name": None, "is_active": 1},
    ]
    found = [(a.id, a.email, a.name) for a in desk[1].make().accounts(http)]
    assert found == [("Administrator", None, "Administrator"), ("ana@example.com", "ana@example.com", "Ana")]


# ---------------------------------------------------------------- the whole road


def test_a_promise_moved_in_time_is_kept_and_help_earns_once(
    db: Database, company: Company, clock: Clock, desk: Desk
) -> None:
    tool, plugin = desk[0], desk[1].make(promise_field="custom_promised_for")
    with db.writing() as session:
        for account, name in (("77", "ana"), ("88", "ben")):
            about = {"source": "frappe_helpdesk", "account": account, "person_id": company[name]}
            session.add(Identity(**about, linked_at=NOON, created_at=NOON))
    config = Config(plugins={"frappe_helpdesk": plugin}, pull_hosts=("127.0.0.1",))
    due, later = local(NOON - 2 * HOUR), local(NOON)
    first = tool.change(9, NOON - 5 * HOUR, custom_promised_for=due)
    body = json.dumps({"extra_mile": "ticket", "doc": first}).encode()
    delivery = Delivery(body, {}, NOON - 5 * HOUR)
    assert deliveries.receive(db, config, "frappe_helpdesk", delivery).new == 1
    first |= {"custom_promised_for": later, "modified": local(NOON - 3 * HOUR)}
    tool.comment("c1", 9, "88", NOON - 4 * HOUR)
    tool.now = NOON - 3 * HOUR
    assert deliveries.pull(db, config, "frappe_helpdesk", clock) == 2  # moved, helped
    done = {"status_category": "Resolved", "resolution_date": local(NOON - HOUR)}
    first |= {"modified": local(NOON - HOUR), **done}
    tool.now = NOON
    assert deliveries.pull(db, config, "frappe_helpdesk", clock) == 2  # solved, kept
    assert deliveries.pull(db, config, "frappe_helpdesk", clock) == 0
    with db.reading() as session:
        totals = [standings.total(session, company[name], "2026-W47") for name in ("ana", "ben")]
    assert totals == [5, 3]
