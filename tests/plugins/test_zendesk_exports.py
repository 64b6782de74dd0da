"""What Zendesk's exports tell: notes and answers by agents, service levels, promised days, surveys, articles."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from leaderboard.plugin import Event, Invalid
from tests.plugins import OF_TOOL
from tests.plugins.pulled import Pulled
from tests.plugins.pulls import zendesk
from tests.plugins.pulls_h import (
    ANA,
    BEN,
    COPIED,
    CUSTOMER,
    article,
    furnish,
    level,
    reopen,
    survey,
    target,
    ticket,
    write,
)
from tests.plugins.tools import NOW, Said, ZendeskTool, iso

HOURS = [NOW - timedelta(hours=number) for number in range(10)]
OPENED = HOURS[9]


@pytest.fixture
def desk() -> Iterator[ZendeskTool]:
    with ZendeskTool().running() as tool:
        assert isinstance(tool, ZendeskTool)
        furnish(tool)
        yield tool


@pytest.fixture
def pulled(desk: ZendeskTool) -> Pulled:
    return zendesk(desk)


def once(events: list[Event]) -> list[Event]:
    """The second in which a page ends is read again with the next one; the core knows the keys."""
    return list({event.key: event for event in reversed(events)}.values())[::-1]


def told(events: list[Event]) -> list[tuple[str, tuple[str, ...], str | None]]:
    return sorted((event.key, event.agents, event.giver) for event in once(events))


def promises(events: list[Event]) -> list[str]:
    """In words: what, when, and by when."""
    return [
        f"{event.kind.removeprefix('promise.')} {iso(event.occurred_at)[11:16]}"
        + (f" by {iso(event.due_at)[11:16]}" if event.due_at else "")
        for event in sorted(once(events), key=lambda event: event.occurred_at)
        if event.kind.startswith("promise")
    ]


# ---------------------------------------------------------------- notes and answers


def test_agents_notes_on_colleagues_tickets_and_public_answers_are_told(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client
) -> None:
    ticket(desk, 1, HOURS[1], assignee_id=ANA)
    ticket(desk, 2, HOURS[1], assignee_id=None)
    write(desk, 1, 11, BEN, HOURS[4], public=False)  # helps Ana
    write(desk, 1, 12, ANA, HOURS[3], public=False)  # a note to herself
    write(desk, 1, 13, ANA, HOURS[2], public=True)
    write(desk, 1, 14, CUSTOMER, HOURS[2], public=True)
    write(desk, 1, 15, COPIED, HOURS[2], public=True)  # not the requester, and no agent
    write(desk, 1, 16, -1, HOURS[2], public=False)  # Zendesk's own doing
    write(desk, 2, 17, BEN, HOURS[2], public=False)  # on nobody's ticket
    write(desk, 3, 18, BEN, HOURS[2], public=False)  # on a ticket that was deleted since
    reopen(desk, 1, HOURS[1])
    events, cursor = pulled.events(http)
    assert told(events) == [
        ("comment/11/helped", (str(BEN),), str(ANA)),
        ("comment/13/replied", (str(ANA),), None),
        (f"ticket/1/reopened/{iso(HOURS[1])}", (), None),
    ]
    assert not any(event.text for event in events)
    again, _ = pulled.events(http, cursor)
    assert {event.key for event in again} <= {event.key for event in events}


def test_a_note_and_an_opening_have_the_same_key_by_event_and_by_export(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client
) -> None:
    samples = {sample.case: sample for sample in OF_TOOL["zendesk"]}
    helped, opened = (samples[case].events[0] for case in ("event_note_helps", "event_reopened"))
    number, author, owner = int(helped.ticket or 0), int(helped.agents[0]), int(helped.giver or 0)
    desk.now = NOW + timedelta(hours=1)
    desk.users.append({"id": author, "role": "agent"})
    ticket(desk, number, NOW, assignee_id=owner)
    write(desk, number, int(helped.key.split("/")[1]), author, NOW, public=False)
    reopen(desk, number, opened.occurred_at)
    events, _ = pulled.events(http)
    assert {event.key for event in events} == {helped.key, opened.key}
    assert told(events)[0] == (helped.key, helped.agents, helped.giver)


def test_the_minute_that_an_export_leaves_out_comes_with_the_next_pull(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client
) -> None:
    ticket(desk, 1, HOURS[1])
    for number in range(5):
        write(desk, 1, 20 + number, BEN, HOURS[2], public=False)  # in one second, over two pages
    write(desk, 1, 30, BEN, NOW - timedelta(seconds=20), public=False)
    events, cursor = pulled.events(http)
    assert [event.key for event in once(events)] == [f"comment/2{number}/helped" for number in range(5)]
    desk.now = NOW + timedelta(minutes=2)
    later, _ = pulled.events(http, cursor)
    assert {event.key for event in later} - {event.key for event in events} == {"comment/30/helped"}


def test_a_cursor_of_a_former_version_goes_on_with_all_exports(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client
) -> None:
    ticket(desk, 1, HOURS[5])
    write(desk, 1, 11, BEN, HOURS[2], public=False)
    write(desk, 1, 12, BEN, HOURS[8], public=False)
    seconds = int(HOURS[3].timestamp())
    events, _ = pulled.events(http, f"ratings={seconds}&tickets={iso(HOURS[3])}|")
    assert [event.key for event in events] == ["comment/11/helped"]


def test_what_is_switched_off_is_not_asked_for(desk: ZendeskTool, pulled: Pulled, http: httpx.Client) -> None:
    off = {"read_comments": False, "sla_promises": (), "help_center": False, "promise_field": ""}
    pulled.events(http, **off, satisfaction="survey")
    assert {path.rpartition("/")[2] for path in desk.paths()} == {"me.json", "cursor.json"}


@pytest.mark.parametrize("end", [None, True, "soon", 0])
def test_an_export_that_does_not_say_where_to_go_on_ends(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client, end: Any
) -> None:
    said = {"ticket_events": [], "end_time": end, "end_of_stream": False}
    desk.misbehaves = lambda asked: Said(said) if asked.path.endswith("/ticket_events.json") else None
    with pytest.raises(Invalid, match="where to go on"):
        pulled.events(http)


# ---------------------------------------------------------------- service levels


def test_a_service_level_is_a_promise_of_who_has_the_ticket(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client
) -> None:
    ticket(desk, 1, HOURS[1], assignee_id=ANA)
    level(desk, 1, "activate", OPENED)
    level(desk, 1, "apply_sla", HOURS[8], **target(120))
    level(desk, 1, "apply_sla", HOURS[8], metric="agent_work_time", **target(60))  # not one of those wanted
    level(desk, 1, "update_status", HOURS[7], status={"calendar": 120, "business": 60})
    level(desk, 1, "fulfill", HOURS[7])
    level(desk, 1, "apply_sla", HOURS[6], instance_id=2, **target(60))
    level(desk, 1, "breach", HOURS[5], instance_id=2)
    level(desk, 1, "breach", HOURS[4], instance_id=3, deleted=True)  # foreseen, and did not come
    level(desk, 1, "fulfill", HOURS[3], instance_id=2)
    events, _ = pulled.events(http)
    assert promises(events) == [
        "made 01:00 by 02:00",  # counted from when the ticket was opened
        "kept 02:00",
        "made 03:00 by 04:00",
        "missed 04:00",
        "kept 06:00",  # late: the core sees that by the two times
    ]
    assert {event.object for event in events} == {"promise/1/reply_time/1", "promise/1/reply_time/2"}
    assert {event.agents for event in events} == {(str(ANA),)}


def test_business_hours_are_never_guessed_but_read_beside_the_ticket(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client
) -> None:
    wait = {"metric": "requester_wait_time"}
    levels = [
        {"metric": "first_reply_time", "stage": "achieved", "breach_at": iso(HOURS[2])},
        {"metric": "next_reply_time", "stage": "active", "breach_at": iso(NOW + timedelta(hours=5))},
        {"metric": "requester_wait_time", "stage": "active", "breach_at": iso(NOW + timedelta(hours=3))},
    ]
    ticket(desk, 1, HOURS[1], slas={"policy_metrics": levels})
    ticket(desk, 2, HOURS[1])
    for number in (1, 2):
        level(desk, number, "apply_sla", HOURS[8], **target(60, business_hours=True))
        level(desk, number, "apply_sla", HOURS[4], instance_id=2, **target(60, business_hours=True))
        level(desk, number, "apply_sla", HOURS[8], **wait, **target(60))
    events, cursor = pulled.events(http)
    assert promises(events) == ["made 01:00 by 12:00", "made 05:00 by 14:00"]
    assert {event.ticket for event in events} == {"1"}
    levels[2]["breach_at"] = iso(NOW + timedelta(hours=4))
    level(desk, 1, "activate", HOURS[3], **wait)  # the customer was asked, and the time had stopped
    assert promises(pulled.events(http, cursor)[0])[-1] == "made 06:00 by 13:00"


def test_an_answer_without_a_service_level_keeps_no_promise(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client
) -> None:
    ticket(desk, 1, HOURS[1], slas={"policy_metrics": []})
    level(desk, 1, "fulfill", HOURS[3])
    level(desk, 9, "fulfill", HOURS[3])  # deleted since
    assert pulled.events(http)[0] == []


@pytest.mark.parametrize(
    "broken", [{"target": 10**12}, {"target_in_seconds": 2**62}, {"target": "soon"}, {"target": None}]
)
def test_a_target_that_is_no_time_makes_no_promise(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client, broken: dict[str, Any]
) -> None:
    ticket(desk, 1, HOURS[1])
    level(desk, 1, "apply_sla", HOURS[3], sla={"business_hours": False, **broken})
    found: list[Event] = []
    try:
        found, _ = pulled.events(http)
    except Invalid as error:
        assert "could not be read" in error.message  # noqa: PT017  (either is a clean end)
    assert found == []


# ---------------------------------------------------------------- promised days


@pytest.mark.parametrize(
    ("field", "due"), [("360012345678", "2026-11-19"), ("due_at", "2026-11-19T22:59:59Z")]
)
def test_a_promised_day_is_kept_by_the_solution(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client, field: str, due: str
) -> None:
    fields = {"custom_fields": [{"id": 1, "value": None}, {"id": 360012345678, "value": due}], "due_at": due}
    ticket(desk, 1, HOURS[8], **fields)
    ticket(desk, 1, HOURS[2], status="closed", metric_set={"solved_at": iso(HOURS[3])}, **fields)
    ticket(
        desk, 2, HOURS[2], status="closed", metric_set={"solved_at": iso(NOW - timedelta(days=30))}, **fields
    )
    ticket(desk, 3, HOURS[2], custom_fields=[], due_at=None)
    settings = {"promise_field": field, "timezone": "Europe/Berlin", "read_comments": False}
    events, _ = pulled.events(http, **settings)
    assert promises(events) == ["made 01:00 by 22:59", "kept 06:00"]
    assert {event.object for event in events if event.kind != "ticket.solved"} == {"promise/1"}


# ---------------------------------------------------------------- surveys


def test_answers_to_the_newer_survey_are_ratings(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client
) -> None:
    told_of = (("good", "Thank you"), ("good",), ("bad", "I waited.", "Twice."), ("neutral", "Hm"))
    for number, (category, *words) in enumerate(told_of, 1):
        ticket(desk, number, HOURS[1], satisfaction_rating={"score": "bad" if category == "bad" else "good"})
        survey(desk, number, category, HOURS[2], *words)
    ticket(desk, 5, HOURS[1], satisfaction_rating={"score": "offered"})
    ticket(desk, 6, HOURS[1], satisfaction_rating={"score": "good"})
    survey(desk, 6, "good", NOW - timedelta(days=20))  # long before the first pull
    desk.rate(1, "good", HOURS[2], "Told by the other product as well")
    events, _ = pulled.events(http, satisfaction="survey")
    assert [(event.key, event.text, event.customer, event.agents) for event in events] == [
        ("rating/1/thanks", "Thank you", str(CUSTOMER), (str(ANA),)),
        ("rating/2/good", None, str(CUSTOMER), (str(ANA),)),
        ("rating/3/bad", "I waited.\nTwice.", str(CUSTOMER), (str(ANA),)),
    ]
    assert "/api/v2/satisfaction_ratings.json" not in desk.paths()


# ---------------------------------------------------------------- articles


def test_articles_begun_since_the_first_pull_are_knowledge_shared(
    desk: ZendeskTool, pulled: Pulled, http: httpx.Client
) -> None:
    sample = next(sample for sample in OF_TOOL["zendesk"] if sample.case == "event_article")
    number = int(sample.events[0].key.split("/")[1])
    article(desk, number, HOURS[3])
    article(desk, 2, HOURS[3], draft=True)
    article(desk, 3, HOURS[3], created_at="2019-01-01T00:00:00Z")  # edited today
    article(desk, 4, HOURS[3], author_id=None)
    events, _ = pulled.events(http)
    assert told(events) == [(sample.events[0].key, (str(ANA),), None)]
    assert (events[0].url, dict(events[0].evidence)) == (sample.events[0].url, {"title": "Lost luggage"})
