"""What is particular to Help Scout: the event's name is not signed, times lack their zone, and old webhooks lack the agent."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from leaderboard.plugin import Delivery, Event, Invalid
from plugins.help_scout import HelpScout
from tests.plugins import OF_TOOL, Sample

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
    note, reply, rating = (sample(case).json() for case in ("note_helps", "reply", "rating_great"))
    assert events_of("convo.agent.reply.created", note) == []
    assert events_of("convo.note.created", reply) == []
    for name, body in (("convo.note.created", rating), (RATINGS, note), (RATINGS, reply)):
        with pytest.raises(Invalid):
            events_of(name, body)


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
