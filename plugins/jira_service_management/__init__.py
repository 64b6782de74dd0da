"""Jira Service Management (Cloud): signed webhooks of issues and comments, and a pull of issues, ratings and service levels."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import Field, StringConstraints, field_validator

from leaderboard.plugin import (
    Account,
    Answer,
    Delivery,
    Event,
    Invalid,
    Kind,
    Page,
    Plugin,
    Refused,
    Secret,
    beginning,
    fetch_json,
    hmac_matches,
    hmac_of,
    id_of,
    iso,
    list_of,
    object_of,
    parse_due,
    parse_time,
    read_each,
    refuse_unread,
    text_of,
    walk,
    web_address,
    zone_name,
)

from .issues import (
    Issue,
    account_of,
    assignee_at,
    customers_words,
    cycle_date,
    issue_of,
    milliseconds,
    moments_of,
    place_of,
)

# A customer's stars; three are neither good nor bad
STARS = {1: "bad", 2: "bad", 4: "good", 5: "good"}
RATED: dict[str, Kind] = {"thanks": "thanks.received", "good": "rating.good", "bad": "rating.bad"}
STAFF = "atlassian"  # the type of an account; "customer" has the portal only, "app" is a program

# How Jira's list of fields names the three whose numbers differ from site to site
SATISFACTION = "com.atlassian.servicedesk:sd-request-feedback"
SATISFACTION_DATE = "com.atlassian.servicedesk:sd-request-feedback-date"
SERVICE_LEVEL = "com.atlassian.servicedesk:sd-sla-field"

OVERLAP = timedelta(minutes=5)  # a change is found by the search some seconds later
RECENT = timedelta(days=1)  # a webhook brings all cycles of a service level; older ones came with their own
ProjectKey = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]+$")]


class JiraServiceManagement(Plugin):
    """`[plugins.jira_service_management]`; the README beside this file says where to click for each of these."""

    title = "Jira Service Management"
    earns = (
        "thanks.received",
        "rating.good",
        "rating.bad",
        "ticket.solved",
        "ticket.reopened",
        "ticket.replied",
        "help.given",
        "promise.made",
        "promise.kept",
    )
    to_tick = (
        "Issue · updated",
        "Comment · created",
        "a filter, such as project = SUP",
        "Exclude body: off",
    )
    to_grant = (
        "Browse projects, in each service project",
        "Browse users and groups",
    )

    address: str
    projects: tuple[ProjectKey, ...] = Field(min_length=1)  # the keys of the service projects
    secret: Secret
    previous_secret: Secret | None = None
    api_email: str = ""
    api_token: Secret | None = None  # left out: webhooks only, without ratings
    thanks_label: str = "thanks"
    solved_statuses: tuple[str, ...] = ("Resolved", "Closed", "Done")
    promise_field: str = ""  # the id of a field that holds a day or a time, as "duedate"; left out: none
    timezone: str = "UTC"  # of a day in that field
    sla_promises: tuple[str, ...] = ()  # the names of service levels that are promises
    read_comments: bool = True  # one more request for each issue that changed
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _address = field_validator("address")(web_address)
    _timezone = field_validator("timezone")(zone_name)

    def verify(self, delivery: Delivery) -> None:
        """`sha256=` and the hex HMAC of the body; https://developer.atlassian.com/cloud/jira/platform/webhooks/

        There is no time stamp in it, so an old delivery can be sent again: it carries the same facts and earns nothing new.
        """
        method, _, claimed = delivery.header("X-Hub-Signature").partition("=")
        matches = hmac_matches((self.secret, self.previous_secret), delivery.body, claimed, encoding="hex")
        if not matches or method != "sha256":
            raise Refused("the signature does not match; compare the webhook's secret with ours")

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The signed header of a webhook with a secret."""
        return {"X-Hub-Signature": "sha256=" + hmac_of(self.secret, body, encoding="hex")}

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of a changed issue or a new comment in one of our projects; nothing for any other body."""
        body = object_of(delivery.json(), "the body")
        what = body.get("webhookEvent")
        if what not in ("jira:issue_updated", "comment_created") or not body.get("issue"):
            return
        issue = issue_of(body["issue"])
        if issue.key.rpartition("-")[0] not in self.projects:
            return
        if what == "comment_created":
            yield from self._comment(issue, object_of(body.get("comment"), "comment"), issue.assignee)
            return
        moment = milliseconds(body.get("timestamp"))
        changelog = object_of(body.get("changelog"), "changelog")
        if changelog:
            items, user = changelog.get("items"), account_of(body.get("user"), "user")
            history = {"id": changelog.get("id"), "created": iso(moment), "items": items}
            # A body without comments leaves the thanks to the pull, which finds the customer's words
            thread = object_of(issue.fields.get("comment"), "comment").get("comments")
            words = customers_words(issue, thread) if thread is not None else None
            thanked = thread is not None or self.api_token is None
            for event in self._change(issue, history, moment, user, issue.assignee, words):
                if thanked or event.kind != "thanks.received":
                    yield event
        yield from self._promised(issue, moment)
        yield from self._service_levels(issue, moment - RECENT)

    def _event(
        self, issue: Issue, key: str, kind: Kind, moment: datetime, agent: str | None, **more: Any
    ) -> Event:
        about = {
            "object": f"ticket/{issue.id}",
            "ticket": issue.key,
            "url": f"{self.address}/browse/{issue.key}",
        }
        return Event(key, kind, moment, (agent,) if agent else (), **(about | more))

    def _change(
        self,
        issue: Issue,
        history: dict[str, Any],
        moment: datetime,
        by: str | None,
        agent: str | None,
        words: str | None,
    ) -> Iterator[Event]:
        """One entry of an issue's history: solved, opened again, labelled as thanks. Its id is the same by either road."""
        number = id_of(history.get("id"))
        if number is None:
            raise Invalid("a change has no id")
        for each in list_of(history.get("items"), "the list of changes"):
            item = object_of(each, "a change")
            before, after = (text_of(item.get(name) or "", 20_000) for name in ("fromString", "toString"))
            if item.get("field") == "status":
                was, now = before in self.solved_statuses, after in self.solved_statuses
                if now and not was:
                    yield self._event(
                        issue, f"ticket/{issue.id}/solved/{number}", "ticket.solved", moment, agent
                    )
                    if self.promise_field and issue.fields.get(self.promise_field):
                        about = f"promise/{issue.id}"
                        kept = f"{about}/kept/{number}"
                        yield self._event(issue, kept, "promise.kept", moment, agent, object=about)
                elif was and not now:
                    opened = f"ticket/{issue.id}/reopened/{number}"
                    yield self._event(issue, opened, "ticket.reopened", moment, None)
            elif item.get("field") == "labels" and self.thanks_label in after.split():
                if self.thanks_label in before.split():
                    continue  # another label came or went
                yield self._rated(issue, "thanks", moment, agent, words, giver=by)

    def _rated(
        self,
        issue: Issue,
        word: str,
        moment: datetime,
        agent: str | None,
        words: str | None,
        giver: str | None = None,
    ) -> Event:
        about = f"rating/{issue.id}"
        more = {"object": about, "customer": issue.reporter, "text": words, "giver": giver}
        return self._event(issue, f"{about}/{word}", RATED[word], moment, agent, **more)

    def _comment(
        self, issue: Issue, comment: dict[str, Any], agent: str | None, begin: datetime | None = None
    ) -> Iterator[Event]:
        """An internal note on a colleague's request is help; an answer that the customer sees makes a recovery possible."""
        number, author = id_of(comment.get("id")), object_of(comment.get("author"), "author")
        who, public = id_of(author.get("accountId")), comment.get("jsdPublic")
        if number is None or who is None or author.get("accountType") != STAFF or who == issue.reporter:
            return
        moment = parse_time(comment.get("created"))
        if begin and moment < begin:
            return
        # The words stay in Jira: a note between colleagues was not written for a wall
        if public is True:
            yield self._event(issue, f"comment/{number}/replied", "ticket.replied", moment, who)
        elif public is False and agent not in (None, who):
            helped = f"comment/{number}/helped"
            yield self._event(issue, helped, "help.given", moment, who, giver=agent, object=None)

    def _promised(self, issue: Issue, moment: datetime) -> Iterator[Event]:
        due = issue.fields.get(self.promise_field) if self.promise_field else None
        if due:
            due_at, about = parse_due(due, self.timezone), f"promise/{issue.id}"
            made, more = f"{about}/made/{iso(due_at)}", {"object": about, "due_at": due_at}
            # On record since the change that we see
            yield self._event(
                issue, made, "promise.made", moment, issue.assignee, customer=issue.reporter, **more
            )

    def _service_levels(self, issue: Issue, begin: datetime) -> Iterator[Event]:
        """The cycles of the service levels that are promises; they stand in fields of the issue."""
        for value in issue.fields.values() if self.sla_promises else ():
            if not isinstance(value, dict) or value.get("name") not in self.sla_promises:
                continue
            if "completedCycles" not in value and "ongoingCycle" not in value:
                continue
            ongoing = object_of(value.get("ongoingCycle"), "ongoingCycle")
            cycles = list_of(value.get("completedCycles") or [], "completedCycles")
            for each in [*cycles, *([ongoing] if ongoing else [])]:
                yield from self._cycle(issue, id_of(value.get("id")), object_of(each, "a cycle"), begin)

    def _cycle(
        self, issue: Issue, level: str | None, cycle: dict[str, Any], begin: datetime
    ) -> Iterator[Event]:
        started, due, stopped = (cycle_date(cycle, name) for name in ("startTime", "breachTime", "stopTime"))
        if started is None or (stopped and stopped < begin):
            return
        about = f"promise/{issue.id}/{level}/{int(started.timestamp())}"
        if due:
            made = f"{about}/made/{iso(due)}"
            more = {"object": about, "due_at": due, "customer": issue.reporter}
            yield self._event(issue, made, "promise.made", started, issue.assignee, **more)
        if stopped:
            kept = f"{about}/kept/{iso(stopped)}"
            yield self._event(issue, kept, "promise.kept", stopped, issue.assignee, object=about)

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return self.address if self.api_token and self.api_email else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The issues that changed with their history and comments, then those that were rated.

        The cursor is a query string of moments: `issues` up to which all changes were read, `ratings` up to which all ratings
        were; both come in the order of their time.
        """
        answer = self._get(http, "rest/api/2/field", {})
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            place = dict.fromkeys(("issues", "ratings"), iso(beginning(self.pull_from, answer.served_at)))
        if answer.served_at is None:
            raise Invalid("Jira does not say what time it is: its answers have no Date header")
        wanted = {"summary", "status", "assignee", "reporter", "updated", "labels"}
        wanted |= {self.promise_field} - {""}
        rated: str | None = None
        for each in list_of(answer.json, "the list of fields"):
            field = object_of(each, "a field")
            number, custom = id_of(field.get("id")), object_of(field.get("schema"), "schema").get("custom")
            if number and (
                custom == SATISFACTION or (custom == SERVICE_LEVEL and field.get("name") in self.sla_promises)
            ):
                wanted.add(number)
            if number and custom == SATISFACTION_DATE:
                wanted.add(number)
                rated = number
        fields, unread, now = ",".join(sorted(wanted)), list[str](), answer.served_at
        yield from self._search(http, place, "issues", "updated", "updated", fields, now, unread)
        if rated:
            clause = f"cf[{rated.removeprefix('customfield_')}]"
            yield from self._search(http, place, "ratings", clause, rated, fields, now, unread)
        yield Page((), urlencode(place), last=not unread)
        refuse_unread(unread)

    def _search(
        self,
        http: httpx.Client,
        place: dict[str, str],
        name: str,
        clause: str,
        field: str,
        fields: str,
        now: datetime,
        unread: list[str],
    ) -> Iterator[Page]:
        begin = place_of(place, name) - OVERLAP
        # In minutes before now: a written time would be read in the zone of the token's owner
        minutes = max(1, int((now - begin).total_seconds() // 60) + 1)
        among = ", ".join(f'"{key}"' for key in self.projects)
        jql = f'project in ({among}) AND {clause} >= "-{minutes}m" ORDER BY {clause} ASC'
        query = {"jql": jql, "fields": fields, "maxResults": "50"}
        path = "rest/api/2/search/jql"

        def following(found: Any) -> str | None:
            token = object_of(found, "the answer").get("nextPageToken")
            return self._url(path, {**query, "nextPageToken": text_of(token)}) if token else None

        read = partial(self._pulled if name == "issues" else self._feedback, http, begin, field)
        for answer in walk(self._url(path, query), partial(self._fetch, http), following):
            items = list_of(object_of(answer.json, "the answer").get("issues"), "the list of issues")
            events = read_each(items, read, unread)
            changes = read_each(items, partial(moments_of, field), [])
            place[name] = max([place[name], *(iso(min(change, now)) for change in changes)])
            yield Page(tuple(events), urlencode(place))
        place[name] = max(place[name], iso(now))

    def _pulled(self, http: httpx.Client, begin: datetime, field: str, item: Any) -> list[Event]:
        issue = issue_of(item)
        histories, found = self._histories(http, issue), list[Event]()
        thread: list[Any] | None = None
        if self.read_comments or self.thanks_label in list_of(issue.fields.get("labels") or [], "labels"):
            query = {"orderBy": "-created", "maxResults": "100"}
            answer = self._get(http, f"rest/api/2/issue/{issue.id}/comment", query)
            thread = list_of(object_of(answer.json, "the answer").get("comments"), "the list of comments")
        words = customers_words(issue, thread or [])
        for history in histories:
            moment = parse_time(history.get("created"))
            if moment >= begin:
                by, agent = account_of(history.get("author"), "author"), assignee_at(issue, histories, moment)
                found += self._change(issue, history, moment, by, agent, words)
        for each in thread if thread and self.read_comments else ():
            comment = object_of(each, "a comment")
            agent = assignee_at(issue, histories, parse_time(comment.get("created")))
            found += self._comment(issue, comment, agent, begin)
        found += self._promised(issue, parse_time(issue.fields.get(field)))
        found += self._service_levels(issue, begin)
        return found

    def _feedback(self, http: httpx.Client, begin: datetime, field: str, item: Any) -> Iterator[Event]:
        """A rating, to who was assigned when it was given."""
        issue, written = issue_of(item), object_of(item, "an issue")
        moment = parse_time(object_of(written.get("fields"), "fields").get(field))
        headers = {"X-ExperimentalApi": "opt-in"}
        answer = self._get(http, f"rest/servicedeskapi/request/{issue.id}/feedback", {}, headers)
        said = object_of(answer.json, "the feedback")
        stars = said.get("rating")
        if not isinstance(stars, int) or stars not in STARS:
            return
        comment = object_of(said.get("comment"), "comment").get("body")
        words = text_of(comment or "", 20_000).strip()[:2_000].strip() or None
        word = "thanks" if words and STARS[stars] == "good" else STARS[stars]
        yield self._rated(
            issue, word, moment, assignee_at(issue, self._histories(http, issue), moment), words
        )

    def _histories(self, http: httpx.Client, issue: Issue) -> list[dict[str, Any]]:
        path, found = f"rest/api/2/issue/{issue.id}/changelog", list[dict[str, Any]]()

        def following(answer: Any) -> str | None:
            if answer.get("isLast") is not False or not answer.get("values"):
                return None
            return self._url(path, {"startAt": str(len(found)), "maxResults": "100"})

        first = self._url(path, {"startAt": "0", "maxResults": "100"})
        for answer in walk(first, partial(self._fetch, http), following):
            values = object_of(answer.json, "the answer").get("values")
            found += (object_of(each, "a change") for each in list_of(values, "the list of changes"))
        return found

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """Active staff and programs. Most addresses are hidden by their owners; such an account is linked by hand."""
        start = 0
        while start < 100_000:
            query = {"startAt": str(start), "maxResults": "100"}
            users = list_of(self._get(http, "rest/api/2/users/search", query).json, "the list of users")
            if not users:
                return
            start += len(users)
            for item in users:
                user = object_of(item, "a user")
                number, kind = id_of(user.get("accountId")), user.get("accountType")
                if number and user.get("active") is True and kind in (STAFF, "app"):
                    name = text_of(user.get("displayName") or number, 200)
                    yield Account(number, id_of(user.get("emailAddress")), name, bot=kind == "app")

    def _get(
        self, http: httpx.Client, path: str, query: dict[str, str], headers: dict[str, str] | None = None
    ) -> Answer:
        return self._fetch(http, self._url(path, query), headers)

    def _fetch(self, http: httpx.Client, url: str, headers: dict[str, str] | None = None) -> Answer:
        token = self.api_token.get_secret_value() if self.api_token else ""
        return fetch_json(http, url, auth=httpx.BasicAuth(self.api_email, token), headers=headers or {})

    def _url(self, path: str, query: dict[str, str]) -> str:
        return f"{self.address}/{path}" + (f"?{urlencode(query)}" if query else "")
