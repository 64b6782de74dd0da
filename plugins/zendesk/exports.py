"""Reads what Zendesk's exports and surveys tell; what they leave out (owners, roles) comes as `tickets` and `staff`."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from leaderboard.plugin import Event, Invalid, id_of, list_of, object_of, parse_due, parse_time, text_of

from . import facts

Row = dict[str, Any]
AT_ONCE = 100  # tickets or users that may be asked for by number in one request
SURVEYED = {"good": True, "bad": False}
"""A survey's rating_category, whatever scale was shown; what is neither is no rating."""

Metric = Literal[
    "reply_time",
    "resolution_time",
    "periodic_update_time",
    "requester_wait_time",
    "agent_work_time",
    "pausable_update_time",
]
SLA_METRICS = {"resolution_time": "total_resolution_time"}
"""How the service levels beside a ticket call a metric where the metric's events call it otherwise; replies beside it."""
NEVER_PAUSED = ("reply_time", "resolution_time", "periodic_update_time")


def tickets_in(answer: Row) -> list[Any]:
    """A page's tickets, each with its metric_set: it comes inside of the ticket or in a list beside the tickets."""
    tickets = list_of(answer.get("tickets"), "tickets")
    beside = list_of(answer.get("metric_sets") or [], "metric_sets")
    sets = {str(row.get("ticket_id")): row for row in beside if isinstance(row, dict)}
    return [
        {"metric_set": sets.get(str(ticket.get("id"))), **ticket} if isinstance(ticket, dict) else ticket
        for ticket in tickets
    ]


def solution(home: str, ticket: Row) -> Event | None:
    """The ticket's latest solution, under the key that the event webhook gave it: both know the second of the change."""
    solved_at = _solved_at(ticket)
    if solved_at is None:
        return None
    number, agent = facts.ticket_number(ticket.get("id")), id_of(ticket.get("assignee_id"))
    return facts.change(home, "ticket.solved", number, solved_at, agent)


def _solved_at(ticket: Row) -> datetime | None:
    if ticket.get("status") not in ("solved", "closed"):
        return None
    solved_at = object_of(ticket.get("metric_set"), "metric_set").get("solved_at")
    if solved_at is None and ticket["status"] == "solved":
        solved_at = ticket.get("updated_at")
    return None if solved_at is None else parse_time(solved_at)


def promised(home: str, ticket: Row, field: str, timezone: str, begin: datetime) -> Iterator[Event]:
    """The promise in a custom field (by its number) or in `due_at`, kept by the solution; none solved before `begin`."""
    if field.isdigit():
        held = list_of(ticket.get("custom_fields") or [], "custom_fields")
        rows = (object_of(item, "a custom field") for item in held)
        due: Any = next((row.get("value") for row in rows if id_of(row.get("id")) == field), None)
    else:
        due = ticket.get(field)
    solved_at = _solved_at(ticket)
    if not due or (solved_at and solved_at < begin):
        return
    number, agent = facts.ticket_number(ticket.get("id")), id_of(ticket.get("assignee_id"))
    changed_at, due_at = parse_time(ticket.get("updated_at")), parse_due(due, timezone)
    yield facts.promise(home, "", number, agent, "promise.made", changed_at, due_at)
    if solved_at:
        yield facts.promise(home, "", number, agent, "promise.kept", solved_at)


# ---------------------------------------------------------------- surveys


def is_rated(ticket: Row) -> bool:
    """Whether a customer answered the survey on this ticket."""
    score = object_of(ticket.get("satisfaction_rating"), "satisfaction_rating").get("score")
    return score not in (None, "offered", "unoffered")


def surveyed(home: str, tickets: Mapping[str, Row], begin: datetime, item: Any) -> Iterator[Event]:
    """A survey's answers: the rating, and all that was written; nothing of what was rated before `begin`.

    https://developer.zendesk.com/api-reference/ticketing/ticket-management/csat_survey_responses/
    """
    response = object_of(item, "a survey response")
    subjects = (
        object_of(value, "a subject") for value in list_of(response.get("subjects") or [], "subjects")
    )
    number = next((id_of(subject.get("id")) for subject in subjects if subject.get("type") == "ticket"), None)
    ticket = tickets.get(number or "")
    answers = [object_of(value, "an answer") for value in list_of(response.get("answers") or [], "answers")]
    rating = next((answer for answer in answers if answer.get("type") == "rating_scale"), {})
    category = rating.get("rating_category")
    if ticket is None or not isinstance(category, str) or category not in SURVEYED:
        return
    moment = parse_time(rating.get("updated_at"))
    if moment < begin:
        return
    written = [
        text_of(answer.get("value") or "").strip() for answer in answers if answer.get("type") == "open_ended"
    ]
    yield facts.rating(
        home,
        ticket=number,
        good=SURVEYED[category],
        agent=ticket.get("assignee_id"),  # a survey does not say who it was about
        customer=response.get("responder_id"),
        words="\n".join(filter(None, written)),
        moment=moment,
    )


# ---------------------------------------------------------------- notes, answers, openings


def comments_in(item: Any) -> Iterator[Row]:
    event = object_of(item, "a ticket event")
    for value in list_of(event.get("child_events") or [], "child_events"):
        child = object_of(value, "a child event")
        if child.get("event_type") == "Comment":
            yield child


def ticket_event(home: str, tickets: Mapping[str, Row], staff: Collection[str], item: Any) -> Iterator[Event]:
    """One update of a ticket: its notes and answers by agents, and whether it was opened again."""
    event = object_of(item, "a ticket event")
    number = facts.ticket_number(event.get("ticket_id"))
    moment = parse_time(event.get("created_at") or event.get("timestamp"))
    ticket = tickets.get(number)
    if ticket is None:  # deleted since
        return
    for value in list_of(event.get("child_events") or [], "child_events"):
        change = object_of(value, "a child event")
        if change.get("previous_value") == "solved" and change.get("status") == "open":
            yield facts.change(home, "ticket.reopened", number, moment)
    for comment in comments_in(event):
        author, comment_id, public = (
            id_of(comment.get("author_id")),
            id_of(comment.get("id")),
            comment.get("public"),
        )
        if author not in staff or author is None or comment_id is None:
            continue
        if not isinstance(public, bool):
            raise Invalid("the comment does not say whether it is public")
        owner = id_of(ticket.get("assignee_id"))
        yield from facts.comment(home, number, comment_id, author, owner, public, moment)


# ---------------------------------------------------------------- service levels


def service_level(
    home: str, metrics: Collection[str], tickets: Mapping[str, Row], newest: Mapping[Any, int], item: Any
) -> Iterator[Event]:
    """A service level applied, breached or fulfilled; the promise is the ticket's owner's, as we see it.

    https://developer.zendesk.com/documentation/ticketing/reference-guides/ticket-metric-event-types-reference/
    """
    event = object_of(item, "a metric event")
    kind, metric, instance = event.get("type"), event.get("metric"), event.get("instance_id")
    if not isinstance(metric, str) or metric not in metrics or not isinstance(instance, int):
        return
    if event.get("deleted") is True:  # a breach that was foreseen and did not come
        return
    number, moment = facts.ticket_number(event.get("ticket_id")), parse_time(event.get("time"))
    ticket = tickets.get(number)
    if ticket is None:
        return
    about, agent = f"/{metric}/{instance}", id_of(ticket.get("assignee_id"))
    level = _level(ticket, metric, instance)
    if kind in ("apply_sla", "activate"):
        told = level.get("breach_at") if level and level.get("stage") == "active" else None
        if told and newest.get((number, metric)) == instance:
            due_at: datetime | None = parse_time(told)  # with business hours and pauses in it
        else:
            due_at = _due(event, metric, instance, ticket, moment)
        if due_at:
            yield facts.promise(home, about, number, agent, "promise.made", moment, due_at)
    elif kind == "breach":
        yield facts.promise(home, about, number, agent, "promise.missed", moment)
    elif kind == "fulfill" and level != {}:  # every answer fulfils something; no service level, no promise
        yield facts.promise(home, about, number, agent, "promise.kept", moment)


def newest_instances(items: list[Any]) -> dict[tuple[str | None, Any], int]:
    """The last instance of each ticket's metrics that this page tells of; a ticket's service levels are of the last one."""
    newest: dict[tuple[str | None, Any], int] = {}
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("instance_id"), int):
            about = (str(item.get("ticket_id")), str(item.get("metric")))
            newest[about] = max(newest.get(about, 0), item["instance_id"])
    return newest


def _level(ticket: Row, metric: str, instance: int) -> Row | None:
    """What stands beside the ticket about this metric: {} where nothing does, None where Zendesk tells no service levels."""
    if ticket.get("slas") is None:
        return None
    levels = list_of(object_of(ticket["slas"], "slas").get("policy_metrics") or [], "policy_metrics")
    name = SLA_METRICS.get(metric, metric)
    if metric == "reply_time":
        name = "first_reply_time" if instance == 1 else "next_reply_time"
    rows = (object_of(value, "a service level") for value in levels)
    return next((row for row in rows if row.get("metric") == name), {})


def _due(event: Row, metric: str, instance: int, ticket: Row, applied_at: datetime) -> datetime | None:
    """When it falls due by the target, where hours of the calendar count; None in business hours: we do not know theirs."""
    level = object_of(event.get("sla"), "sla")
    seconds, minutes = level.get("target_in_seconds"), level.get("target")
    if not isinstance(seconds, int) and isinstance(minutes, int):
        seconds = minutes * 60
    if level.get("business_hours") is not False or metric not in NEVER_PAUSED or not isinstance(seconds, int):
        return None
    first = instance == 1 and metric != "periodic_update_time"
    # Both begin with the ticket; a later answer's time begins with the question that it answers
    began_at = parse_time(ticket.get("created_at")) if first else applied_at
    try:
        return began_at + timedelta(seconds=seconds)
    except OverflowError:
        raise Invalid("a service level's target is not a time that can be waited for") from None


# ---------------------------------------------------------------- the help centre


def published(home: str, begin: datetime, item: Any) -> Iterator[Event]:
    """An article that is no draft and was begun after we were; when it was published Zendesk does not tell."""
    article = object_of(item, "an article")
    number, author = id_of(article.get("id")), id_of(article.get("author_id"))
    if number is None:
        raise Invalid("the article has no id")
    if author is None or article.get("draft") is not False or parse_time(article.get("created_at")) < begin:
        return
    yield facts.article(home, number, author, parse_time(article.get("updated_at")), article.get("title"))


# ---------------------------------------------------------------- where lists go on


def after(value: Any) -> str | None:
    """Where a list in pages goes on, None at its end. Only the cursor is used, never the address beside it."""
    meta = object_of(object_of(value, "the answer").get("meta"), "meta")
    return cursor(meta.get("after_cursor")) if meta.get("has_more") is True else None


def cursor(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 2_000:
        raise Invalid("Zendesk has more pages but does not say where to go on")
    return value


def end(answer: Any) -> int:
    """The second in which a page of an export by time ends."""
    second = object_of(answer, "the answer").get("end_time")
    if isinstance(second, bool) or not isinstance(second, int) or not 0 < second < 10**11:
        raise Invalid("Zendesk has more of its export but does not say where to go on")
    return second


def parts(numbers: Iterable[str]) -> Iterator[list[str]]:
    every = list(numbers)
    return (every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE))
