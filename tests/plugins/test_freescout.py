"""What is particular to FreeScout: whole conversations, a key made of another, an unsigned name, and tags for ratings."""

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlmodel import select

from leaderboard import deliveries, standings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid
from leaderboard.tables import Identity, Promise
from plugins.freescout import FreeScout
from tests.make import NOON, Clock, Company
from tests.plugins import FOLDER, OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_a import freescout
from tests.plugins.tools import NOW, Said, iso
from tests.plugins.tools_a import FreeScoutTool

HOUR = timedelta(hours=1)
ADDRESS = "https://desk.example.com"
PLUGIN = FreeScout(address=ADDRESS, secret="s", timezone="Europe/Berlin")


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["freescout"] if found.case == case)


def events_of(body: Any, name: str = "convo.status") -> list[Event]:
    return list(PLUGIN.events(Delivery(json.dumps(body).encode(), {"x-freescout-event": name}, NOW)))


def changed(case: str, **fields: Any) -> list[Event]:
    return events_of({**sample(case).json(), **fields})


# ---------------------------------------------------------------- the secret


def test_the_guides_command_makes_the_key_that_freescout_makes(tmp_path: Path) -> None:
    """md5 of APP_KEY, with its "base64:", and "webhook_key", in hexadecimal digits."""
    guide = (FOLDER / "freescout" / "README.md").read_text("utf-8")
    command = next(line.strip() for line in guide.splitlines() if "md5sum" in line)
    (tmp_path / ".env").write_text(
        "APP_NAME=Desk\nAPP_KEY=base64:c2VjcmV0LWtleQ==\nAPP_URL=x\n", encoding="utf-8"
    )
    made = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "fba1f8004102fe68afa304d2a194cd8b"


def test_the_app_key_itself_is_not_taken() -> None:
    with pytest.raises(ValidationError, match="APP_KEY itself"):
        FreeScout(address=ADDRESS, secret="base64:c2VjcmV0LWtleQ==")


def test_without_a_key_nothing_is_pulled() -> None:
    assert PLUGIN.api_url() is None


# ---------------------------------------------------------------- what a conversation says


@pytest.mark.parametrize("case", [sample.case for sample in OF_TOOL["freescout"]])
@pytest.mark.parametrize("name", ["convo.created", "convo.deleted", "convo.deleted_forever", "", "anything"])
def test_the_unsigned_name_of_an_event_changes_nothing(case: str, name: str) -> None:
    assert tuple(events_of(sample(case).json(), name)) == sample(case).events


@pytest.mark.parametrize("tags", [["thanks"], [{"id": 1, "tag": "Thanks"}], [{"name": "THANKS"}]])
def test_a_tag_is_understood_in_each_form(tags: list[Any]) -> None:
    keys = {event.key for event in changed("answer", tags=tags)}
    assert "rating/36/thanks" in keys


def test_a_tag_without_a_customers_message_is_nothing() -> None:
    inside = {"threads": [], "tags": [{"name": "thanks"}]}
    assert changed("thanks", _embedded=inside) == []


def test_the_newest_message_is_the_thanks_whatever_their_order() -> None:
    body = sample("thanks").json()
    body["_embedded"]["threads"].reverse()
    assert {event.key: event.text for event in events_of(body)} == {
        event.key: event.text for event in sample("thanks").events
    }


def test_a_note_is_help_only_in_a_colleagues_conversation() -> None:
    body = sample("note_helps").json()
    assert changed("note_helps", assignee=None) == []
    assert changed("note_helps", assignee={"id": 8, "type": "user"}) == []
    body["_embedded"]["threads"][0]["createdBy"]["type"] = "customer"
    assert events_of(body) == []


def test_what_came_long_ago_came_with_an_earlier_webhook() -> None:
    assert changed("note_helps", updatedAt="2026-11-25T09:00:00Z") == []


def test_closed_and_opened_again_name_the_same_closing() -> None:
    closed = sample("closed_in_time").events[0]
    (opened,) = changed("closed_in_time", status="active", customFields=[])
    assert (closed.key, opened.key) == (
        "ticket/36/solved/2026-11-20T09:00:00Z",
        "ticket/36/reopened/2026-11-20T09:00:00Z",
    )


@pytest.mark.parametrize("written", ["soon", True, [1], {"a": 1}])
def test_a_promised_time_that_is_none_is_said_to_be_wrong(written: Any) -> None:
    with pytest.raises(Invalid):
        changed("closed_in_time", customFields=[{"name": "Promised for", "value": written}])


def test_a_conversation_that_nobody_has_promises_nothing() -> None:
    assert [event.kind for event in changed("closed_in_time", assignee=None)] == ["ticket.solved"]


# ---------------------------------------------------------------- the pull


@pytest.fixture
def desk() -> Iterator[tuple[FreeScoutTool, Pulled]]:
    with FreeScoutTool().running() as tool:
        assert isinstance(tool, FreeScoutTool)
        yield tool, freescout(tool)


@pytest.mark.parametrize(
    "case", ["thanks", "answer", "note_helps", "closed_in_time", "opened_again", "deleted"]
)
def test_a_fact_is_the_same_by_webhook_and_by_pull(
    desk: tuple[FreeScoutTool, Pulled], http: httpx.Client, case: str
) -> None:
    desk[0].conversations = [sample(case).json()]
    events, _ = desk[1].events(http, timezone="Europe/Berlin")
    assert [(event.key, event.kind, event.agents, event.text, event.due_at) for event in events] == [
        (event.key, event.kind, event.agents, event.text, event.due_at) for event in sample(case).events
    ]


@pytest.mark.parametrize("page", [{"totalPages": "many"}, {"totalPages": None}, {"totalPages": True}])
def test_a_list_that_does_not_number_its_pages_is_left(
    desk: tuple[FreeScoutTool, Pulled], http: httpx.Client, page: dict[str, Any]
) -> None:
    said = Said({"_embedded": {"conversations": []}, "page": page})
    desk[0].misbehaves = lambda asked: said if asked.path.endswith("conversations") else None
    with pytest.raises(Invalid, match="number its pages"):
        desk[1].events(http)


@pytest.mark.parametrize("cursor", ["nonsense", "read=x", ""])
def test_a_cursor_that_is_not_ours_is_refused(
    desk: tuple[FreeScoutTool, Pulled], http: httpx.Client, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        list(desk[1].make().pull(http, cursor))


def test_accounts_are_the_users(desk: tuple[FreeScoutTool, Pulled], http: httpx.Client) -> None:
    for number in (1, 2, 3):
        names = {"firstName": "Ana", "lastName": f"{number}", "email": f"{number}@example.com"}
        desk[0].users.append({"id": number, **names})
    found = [(a.id, a.email, a.name) for a in desk[1].make().accounts(http)]
    assert found == [(f"{n}", f"{n}@example.com", f"Ana {n}") for n in (1, 2, 3)]


# ---------------------------------------------------------------- the whole road


def test_a_promise_seen_by_webhook_and_closed_in_time_by_pull_is_kept(
    db: Database, company: Company, clock: Clock, desk: tuple[FreeScoutTool, Pulled]
) -> None:
    with db.writing() as session:
        who = {"account": "7", "person_id": company["ana"], "linked_at": NOON, "created_at": NOON}
        session.add(Identity(source="freescout", **who))
    tool, pulled = desk
    tool.now = NOON
    config = Config(plugins={"freescout": pulled.make()}, pull_hosts=("127.0.0.1",))
    field = [{"name": "Promised for", "value": f"{NOON:%Y-%m-%d %H:%M}"}]
    made = {"status": "active", "closedAt": None, "updatedAt": iso(NOON - 5 * HOUR), "customFields": field}
    body = {**sample("closed_in_time").json(), **made}
    assert deliveries.receive(db, config, "freescout", Delivery(json.dumps(body).encode(), {}, NOON)).new == 1
    kept = {"status": "closed", "closedAt": iso(NOON - HOUR), "updatedAt": iso(NOON - HOUR)}
    tool.conversations = [{**body, **kept}]
    assert deliveries.pull(db, config, "freescout", clock) == 2
    assert deliveries.pull(db, config, "freescout", clock) == 0
    with db.reading() as session:
        assert session.exec(select(Promise.state)).one() == "kept"
        assert standings.total(session, company["ana"], "2026-W47") == 5
