"""What is particular to Help Scout: the event's name is not signed, times lack their zone, and old webhooks lack the agent."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from leaderboard.plugin import Delivery, Event, Invalid
from plugins.help_scout import HelpScout
from tests.plugins import OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls import help_scout
from tests.plugins.tools import HelpScoutTool, Said

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
RATINGS = "satisfaction.ratings"


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["help_scout"] if found.case == case)


def events_of(name: str, body: Any, **settings: Any) -> list[Event]:
    plugin = HelpScout(**{"secret": "s", **settings})
    return list(plugin.events(Delivery(json.dumps(body).encode(), {"x-helpscout-event": name}, NOW)))


@pytest.mark.parametrize(
    ("word", "kinds"),
    [
        ("great", ["thanks.received"]),
        ("Great", ["thanks.received"]),
        ("okay", []),
        ("unknown", []),
        ("not_good", ["rating.bad"]),
        ("Not Good", ["rating.bad"]),
        ("Bad", ["rating.bad"]),
        ("splendid", []),
    ],
)
def test_the_words_of_both_versions_are_understood(word: str, kinds: list[str]) -> None:
    body = {**sample("rating_great_with_words").json(), "rating": word}
    assert [event.kind for event in events_of(RATINGS, body)] == kinds


def test_a_rating_of_version_1_waits_for_the_pull_where_there_is_one() -> None:
    body = sample("rating_v1_bad").json()
    assert [event.agents for event in events_of(RATINGS, body)] == [()]
    assert events_of(RATINGS, body, app_id="app", app_secret="secret") == []


def test_a_rating_that_changed_counts_from_its_change() -> None:
    body = sample("rating_not_good").json()
    assert events_of(RATINGS, body)[0].occurred_at == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    del body["modifiedAt"]
    assert events_of(RATINGS, body)[0].occurred_at == NOW


def test_two_ratings_in_one_conversation_are_two_facts_about_one_thing() -> None:
    body = sample("rating_great").json()
    first, second = (events_of(RATINGS, {**body, "threadId": thread})[0] for thread in (1, 2))
    assert first.key != second.key
    assert first.object == second.object


@pytest.mark.parametrize("missing", ["threadId", "conversationId", "rating", "createdAt"])
def test_a_rating_that_lacks_what_it_is_about_is_refused(missing: str) -> None:
    body = {name: value for name, value in sample("rating_great").json().items() if name != missing}
    with pytest.raises(Invalid):
        events_of(RATINGS, body)


def test_a_body_under_another_events_name_brings_only_what_it_says_itself() -> None:
    """X-HelpScout-Event is not signed: whoever sends an old body again may choose it."""
    for case in ("note_helps", "reply", "rating_great", "thanks_by_tag", "test"):
        for name in ("convo.agent.reply.created", "convo.note.created", RATINGS, ""):
            assert tuple(events_of(name, sample(case).json())) == sample(case).events


def test_the_newest_thread_counts_whatever_their_order() -> None:
    body = sample("note_helps").json()
    older = {**body["threads"][0], "id": 1, "createdAt": "2026-11-19T09:00:00Z"}
    for threads in ([*body["threads"], older], [older, *body["threads"]]):
        assert events_of("convo.note.created", {**body, "threads": threads}) == list(
            sample("note_helps").events
        )


def test_embedded_threads_and_older_names_are_understood() -> None:
    body = sample("note_helps").json()
    thread = {
        ("createdBy" if name == "author" else name): value for name, value in body["threads"][0].items()
    }
    older = {name: value for name, value in body.items() if name not in ("threads", "assignee")}
    older |= {"_embedded": {"threads": [thread]}, "owner": body["assignee"]}
    assert events_of("convo.note.created", older) == list(sample("note_helps").events)


@pytest.mark.parametrize("kind", ["customer", "team", None])
def test_what_no_user_wrote_is_no_agents_doing(kind: str | None) -> None:
    body = sample("note_helps").json()
    body["threads"][0]["author"]["type"] = kind
    assert events_of("convo.note.created", body) == []


# ---------------------------------------------------------------- conversations and articles by pull


@pytest.fixture
def desk() -> Iterator[tuple[HelpScoutTool, Pulled]]:
    with HelpScoutTool().running() as tool:
        assert isinstance(tool, HelpScoutTool)
        tool.now = NOW + timedelta(hours=1)
        yield tool, help_scout(tool)


def listed(body: Any, **more: Any) -> Any:
    """A conversation as the list has it: its threads embedded, their number in their place, and who wrote them as createdBy."""
    threads = [
        {("createdBy" if name == "author" else name): value for name, value in thread.items()}
        for thread in body["threads"]
    ]
    left = {name: value for name, value in body.items() if name not in ("threads", "modifiedAt", "tags")}
    tags = [{"id": number, "tag": tag} for number, tag in enumerate(body["tags"], 1)]
    found = {**left, "userUpdatedAt": body["modifiedAt"], "threads": len(threads), "tags": tags}
    return {**found, "_embedded": {"threads": threads}, **more}


@pytest.mark.parametrize(
    "case", ["note_helps", "reply", "closed_in_time", "opened_again", "thanks_by_tag", "note_without_owner"]
)
def test_a_conversation_by_webhook_and_by_pull_is_the_same_fact(
    desk: tuple[HelpScoutTool, Pulled], http: httpx.Client, case: str
) -> None:
    desk[0].conversations.append(listed(sample(case).json()))
    assert tuple(desk[1].events(http, pull_from=date(2026, 11, 20))[0]) == sample(case).events
    assert desk[1].events(http, read_conversations=False)[0] == []


def test_every_page_of_conversations_is_read_and_only_what_is_new_in_them(
    desk: tuple[HelpScoutTool, Pulled], http: httpx.Client
) -> None:
    tool, pull = desk
    body = sample("note_helps").json()
    for number in range(1, 6):
        thread = {**body["threads"][0], "id": number}
        tool.conversations.append(listed({**body, "id": number, "threads": [thread]}))
    found, cursor = pull.events(http)
    assert {event.key for event in found} == {f"thread/{number}/helped" for number in range(1, 6)}
    tool.conversations[0]["userUpdatedAt"] = "2026-11-20T10:01:00Z"  # tagged, an hour after the note
    tool.now = NOW + timedelta(hours=2)
    assert pull.events(http, cursor)[0] == []


def test_a_plan_without_the_report_reads_the_rest(
    desk: tuple[HelpScoutTool, Pulled], http: httpx.Client
) -> None:
    tool, pull = desk
    tool.conversations.append(listed(sample("reply").json()))
    tool.misbehaves = lambda asked: Said(status=404) if "reports" in asked.path else None
    with pytest.raises(Invalid, match="plan"):
        pull.events(http)
    assert [event.kind for event in pull.events(http, read_ratings=False)[0]] == ["ticket.replied"]


def test_thanks_by_tag_go_to_whose_answer_the_customer_had_and_to_the_assignee_before_any() -> None:
    body = sample("thanks_by_tag").json()
    tagged, answer, first = body["threads"]
    for threads, agents in (
        ([tagged, answer, first], ("69013",)),
        ([tagged, first], ("69014",)),
        ([tagged, {**answer, "author": None}, first], ()),  # whoever answered is gone
    ):
        (event,) = events_of("convo.tags", {**body, "threads": threads})
        assert event.agents == agents
    (unhappy,) = events_of("convo.tags", {**body, "tags": [{"id": 1, "tag": "Unhappy"}]})
    assert (unhappy.kind, unhappy.key) == ("rating.bad", "tagged/432207336/bad")
    assert events_of("convo.tags", {**body, "modifiedAt": "2026-11-29T09:00:00Z"}) == []


def test_a_team_is_nobodys_colleague_and_keeps_no_promise() -> None:
    for case, kinds in (("note_helps", []), ("closed_in_time", ["ticket.solved"])):
        body = sample(case).json()
        body["assignee"]["type"] = "team"
        assert [event.kind for event in events_of("convo.status", body)] == kinds


def test_articles_count_once_published_and_are_read_back_to_the_last_pull(
    desk: tuple[HelpScoutTool, Pulled], http: httpx.Client
) -> None:
    tool, pull = desk
    for number in range(1, 8):
        tool.publish(f"a{number}", NOW - timedelta(days=2 * number))
    tool.publish("draft", NOW, status="notpublished")
    tool.publish("edited", NOW - timedelta(days=400), updatedAt="2026-11-20T08:00:00Z")
    found, cursor = pull.events(http)
    assert [event.key for event in found] == [f"article/a{number}/published" for number in (1, 2, 3)]
    assert {event.agents for event in found} == {("69013",)}
    assert sum("articles" in path for path in tool.paths()) == 3  # of five pages
    assert pull.events(http, cursor)[0] == pull.events(http, docs_api_key=None)[0] == []


@pytest.mark.parametrize("cursor", ["nonsense", "ratings=soon", "2026-11-20T09:00:00Z"])
def test_a_cursor_that_is_not_ours_is_refused(
    desk: tuple[HelpScoutTool, Pulled], http: httpx.Client, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)
