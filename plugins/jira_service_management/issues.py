"""Reads what Jira writes about an issue: its people, its times, its customer's words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leaderboard.plugin import Invalid, id_of, list_of, object_of, parse_time, text_of


@dataclass(frozen=True)
class Issue:
    """What both roads tell of a request."""

    id: str
    key: str
    fields: dict[str, Any]
    assignee: str | None
    reporter: str | None


def issue_of(value: Any) -> Issue:
    issue = object_of(value, "an issue")
    number, key = id_of(issue.get("id")), id_of(issue.get("key"))
    if number is None or not (number.isascii() and number.isdigit()) or key is None:
        raise Invalid("there is no issue's id and key where Jira puts them")
    fields = object_of(issue.get("fields"), "fields")
    return Issue(
        number,
        key,
        fields,
        account_of(fields.get("assignee"), "assignee"),
        account_of(fields.get("reporter"), "reporter"),
    )


def account_of(value: Any, what: str) -> str | None:
    return id_of(object_of(value, what).get("accountId"))


def assignee_at(issue: Issue, histories: list[dict[str, Any]], moment: datetime) -> str | None:
    """Who was assigned at a moment: what the next change of the assignee changed from, else the present one."""
    later = sorted(
        ((parse_time(history.get("created")), number) for number, history in enumerate(histories)),
    )
    for changed_at, number in later:
        if changed_at <= moment:
            continue
        for each in list_of(histories[number].get("items"), "the list of changes"):
            item = object_of(each, "a change")
            if item.get("field") == "assignee":
                return id_of(item.get("from"))
    return issue.assignee


def customers_words(issue: Issue, thread: Any) -> str | None:
    """The customer's newest comment."""
    said = []
    for each in list_of(thread, "the list of comments"):
        comment = object_of(each, "a comment")
        if (
            account_of(comment.get("author"), "author") == issue.reporter
            and comment.get("jsdPublic") is not False
        ):
            said.append((parse_time(comment.get("created")), text_of(comment.get("body") or "", 20_000)))
    _, words = max(said, default=(None, ""))
    return words.strip()[:2_000].strip() or None


def cycle_date(cycle: dict[str, Any], name: str) -> datetime | None:
    value = object_of(cycle.get(name), name).get("epochMillis")
    return None if value is None else milliseconds(value)


def milliseconds(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid("a time in milliseconds was expected")
    return parse_time(value / 1000)


def moments_of(field: str, item: Any) -> list[datetime]:
    return [parse_time(object_of(object_of(item, "an issue").get("fields"), "fields").get(field))]


def place_of(place: dict[str, str], name: str) -> datetime:
    try:
        return parse_time(place.get(name, ""))
    except Invalid:
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin") from None
