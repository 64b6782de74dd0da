"""Zendesk Support: signed event webhooks, two trigger webhooks for ratings, and a pull of these and of service levels."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import Field, field_validator

from leaderboard.plugin import (
    Account,
    Answer,
    Delivery,
    Event,
    Invalid,
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
    one_name,
    parse_time,
    read_each,
    refuse_stale,
    refuse_unread,
    text_of,
    walk,
    zone_name,
)

from . import exports, facts

EVENT = "zen:event-type:"
OVERLAP = 60  # seconds that are read again of an export by time, in case one was late
FULL_PAGE = 1_000  # items of an export by time
Row = dict[str, Any]


class Zendesk(Plugin):
    """`[plugins.zendesk]`; the README beside this file says where to click for each of these."""

    title = "Zendesk"
    earns = (
        "thanks.received",
        "rating.good",
        "rating.bad",
        "ticket.solved",
        "ticket.reopened",
        "ticket.replied",
        "help.given",
        "knowledge.shared",
        "promise.made",
        "promise.kept",
        "promise.missed",
        "fact.withdrawn",
    )
    to_tick = (
        "Webhook 1 · Trigger or automation, with the two triggers of the guide",
        "Webhook 2 · Zendesk events: Ticket status changed, Ticket comment added, Ticket merged, Article published",
    )
    to_grant = ("Allow API token access, and a token of an admin",)

    subdomain: str
    signing_secret: Secret
    previous_signing_secret: Secret | None = None
    # Zendesk gives each webhook a secret of its own, and a webhook takes either events or triggers, never both
    trigger_signing_secret: Secret | None = None
    previous_trigger_signing_secret: Secret | None = None
    api_token: Secret | None = None  # left out: webhooks only
    api_email: str | None = (
        None  # the admin the token belongs to; left out: the token is an OAuth access token
    )
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it
    look_back_hours: int = Field(
        24, ge=1, le=24 * 14
    )  # ratings this old are read again, in case one was late or changed
    satisfaction: Literal["legacy", "survey"] = "legacy"  # which of Zendesk's two products the account uses
    read_comments: bool = True  # help, answers and openings by pull
    help_center: bool = False  # articles by pull
    sla_promises: tuple[exports.Metric, ...] = ()  # the service levels' metrics that are promises
    promise_field: str = Field("", pattern="[0-9]{0,20}|due_at")
    timezone: str = "UTC"  # of a promised day in promise_field

    _subdomain = field_validator("subdomain")(one_name)
    _timezone = field_validator("timezone")(zone_name)

    def verify(self, delivery: Delivery) -> None:
        """base64(HMAC-SHA256(secret, time stamp + body)); https://developer.zendesk.com/documentation/webhooks/verifying/"""
        stamp = delivery.header("X-Zendesk-Webhook-Signature-Timestamp")
        secrets = (
            self.signing_secret,
            self.previous_signing_secret,
            self.trigger_signing_secret,
            self.previous_trigger_signing_secret,
        )
        signed = stamp.encode("utf-8", "replace") + delivery.body
        if not hmac_matches(secrets, signed, delivery.header("X-Zendesk-Webhook-Signature")):
            raise Refused("the signature does not match; compare the webhook's signing secret on both sides")
        try:
            sent_at = parse_time(stamp)
        except Invalid:
            raise Refused("the signature's time stamp is not a time") from None
        refuse_stale(sent_at, delivery.received_at)  # Zendesk names no tolerance; five minutes are usual

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of an event webhook, or of the trigger template in the README; nothing for any other body."""
        body = object_of(delivery.json(), "the body")
        kind = body.get("type")
        if body.get("extra_mile") == "rating":
            yield self._templated(body)
        elif isinstance(kind, str) and kind.startswith(EVENT):
            translate = {
                "ticket.status_changed": self._status_changed,
                "ticket.comment_added": self._comment_added,
                "ticket.merged": self._merged,
                "article.published": self._published,
            }.get(kind.removeprefix(EVENT))
            if translate:
                moment = parse_time(body.get("time"))
                yield from translate(
                    object_of(body.get("detail"), "detail"), object_of(body.get("event"), "event"), moment
                )

    def _templated(self, body: dict[str, Any]) -> Event:
        rating = body.get("rating")
        if rating not in ("good", "bad"):
            raise Invalid(
                "the trigger's `rating` is neither good nor bad; compare its body with the README", "rating"
            )
        return facts.rating(
            self._home,
            ticket=body.get("ticket"),
            good=rating == "good",
            agent=body.get("agent"),
            customer=body.get("customer"),
            words=body.get("comment"),
            moment=parse_time(body.get("at")),
        )

    def _status_changed(
        self, detail: dict[str, Any], event: dict[str, Any], moment: datetime
    ) -> Iterable[Event]:
        now, before = event.get("current"), event.get("previous")
        number = facts.ticket_number(detail.get("id"))
        changed_at = parse_time(detail["updated_at"]) if detail.get("updated_at") else moment
        if now == "SOLVED" and before != "CLOSED":
            agent = id_of(detail.get("assignee_id")) or id_of(detail.get("actor_id"))
            return [facts.change(self._home, "ticket.solved", number, changed_at, agent)]
        if before == "SOLVED" and now == "OPEN":
            return [facts.change(self._home, "ticket.reopened", number, changed_at)]
        return []

    def _comment_added(
        self, detail: dict[str, Any], event: dict[str, Any], moment: datetime
    ) -> Iterable[Event]:
        comment = object_of(event.get("comment"), "event.comment")
        writer = object_of(comment.get("author"), "event.comment.author")
        number, comment_id = facts.ticket_number(detail.get("id")), id_of(comment.get("id"))
        author = id_of(writer.get("id")) or id_of(detail.get("actor_id"))
        owner, requester = id_of(detail.get("assignee_id")), id_of(detail.get("requester_id"))
        staff = writer.get("is_staff", author != requester)
        public = comment.get("is_public", detail.get("is_public"))
        if not isinstance(staff, bool) or not isinstance(public, bool):
            raise Invalid("the comment does not say whether it is public and by staff")
        if comment_id is None or author is None or not staff:
            return []
        return facts.comment(self._home, number, comment_id, author, owner, public, moment)

    def _merged(self, detail: dict[str, Any], event: dict[str, Any], moment: datetime) -> Iterable[Event]:
        """The merged ticket lives on in another, so what was rated on it no longer stands."""
        number, target = facts.ticket_number(detail.get("id")), id_of(event.get("target_ticket_id"))
        if target in (None, number):
            return []
        return [
            Event(
                key=f"ticket/{number}/merged/{value}",
                kind="fact.withdrawn",
                occurred_at=moment,
                object=f"rating/{number}/{value}",
                ticket=number,
            )
            for value in facts.RATING_KINDS
        ]

    def _published(self, detail: dict[str, Any], event: dict[str, Any], moment: datetime) -> Iterable[Event]:
        number, author = (
            id_of(detail.get("id")),
            id_of(event.get("author_id")) or id_of(detail.get("author_id")),
        )
        if number is None:
            raise Invalid("the article has no id")
        if author is None:
            return []
        return [facts.article(self._home, number, author, moment, event.get("title"))]

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return self._home if self.api_token else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The ratings, the tickets that changed (with their surveys and promises), their notes, service levels, articles.

        The cursor is a query string of Unix seconds. `ratings`: up to which all ratings were read. `after` and `until`: where
        to go on inside a list of ratings that was broken off, and what `ratings` becomes at its end. `tickets`: the cursor of
        Zendesk's incremental export (it leaves out the last minute by itself), or `tickets_from` before there is one.
        `comments`, `levels` and `articles`: up to which those exports by time were read (they leave it out as well). `begin`:
        where the first pull began.
        """
        place = dict(parse_qsl(since or "", max_num_fields=20))
        if since is None:
            served_at = self._get(http, self._url("users/me.json", {})).served_at
            begin = str(int(beginning(self.pull_from, served_at).timestamp()))
            place = {"ratings": begin, "tickets_from": begin}
        for name in ("begin", "comments", "levels", "articles"):
            place.setdefault(name, str(_seconds(place, "ratings")))  # a former version's cursor holds none
        begin_at = datetime.fromtimestamp(_seconds(place, "begin"), UTC)
        unread: list[str] = []
        if self.satisfaction == "legacy":
            yield from self._pull_ratings(http, place, unread)
        yield from self._pull_tickets(http, place, begin_at, unread)
        by_time = partial(self._pull_by_time, http, place, unread)
        if self.read_comments:
            query = {"include": "comment_events"}
            yield from by_time(
                "comments", "incremental/ticket_events.json", "ticket_events", query, self._comments
            )
        if self.sla_promises:
            path = "incremental/ticket_metric_events.json"
            yield from by_time("levels", path, "ticket_metric_events", {}, self._levels)
        if self.help_center:
            path, articles = "help_center/incremental/articles.json", partial(self._articles, begin_at)
            yield from by_time("articles", path, "articles", {}, articles)
        yield Page((), urlencode(place), last=not unread)
        refuse_unread(unread)

    def _pull_ratings(self, http: httpx.Client, place: dict[str, str], unread: list[str]) -> Iterator[Page]:
        begin = _seconds(place, "ratings") - self.look_back_hours * 3600
        query = {"score": "received", "start_time": str(max(begin, 0)), "page[size]": "100"}
        first = {**query, "page[after]": place["after"]} if "after" in place else query
        for answer in self._pages(http, "satisfaction_ratings.json", query, first):
            if answer.served_at and "until" not in place:
                place["until"] = str(int(answer.served_at.timestamp()))
            place.setdefault("until", place["ratings"])
            items = list_of(
                object_of(answer.json, "the answer").get("satisfaction_ratings"), "satisfaction_ratings"
            )
            events = read_each(items, self._pulled_rating, unread)
            if after := exports.after(answer.json):
                place["after"] = after
            else:
                place["ratings"] = place.pop("until")
                place.pop("after", None)
            yield Page(tuple(events), urlencode(place))

    def _pulled_rating(self, item: Any) -> Iterator[Event]:
        rating = object_of(item, "a rating")
        if rating.get("score") in ("good", "bad"):
            yield facts.rating(
                self._home,
                ticket=rating.get("ticket_id"),
                good=rating["score"] == "good",
                # "the agent assigned to at the time of rating": not the ticket's present one
                agent=rating.get("assignee_id"),
                customer=rating.get("requester_id"),
                words=rating.get("comment"),
                moment=parse_time(rating.get("updated_at")),
                reason=rating.get("reason"),
            )

    def _pull_tickets(
        self, http: httpx.Client, place: dict[str, str], begin: datetime, unread: list[str]
    ) -> Iterator[Page]:
        path, common = "incremental/tickets/cursor.json", {"include": "metric_sets", "per_page": "500"}
        first = (
            {"cursor": place["tickets"]}
            if "tickets" in place
            else {"start_time": str(_seconds(place, "tickets_from"))}
        )

        def following(value: Any) -> str | None:
            value = object_of(value, "the answer")
            if value.get("end_of_stream") is not False:
                return None
            return self._url(path, {**common, "cursor": exports.cursor(value.get("after_cursor"))})

        for answer in walk(self._url(path, {**common, **first}), partial(self._get, http), following):
            value = object_of(answer.json, "the answer")
            items = exports.tickets_in(value)
            events = read_each(items, partial(self._pulled_ticket, begin), unread)
            if self.satisfaction == "survey":
                events += self._surveys(http, items, begin, unread)
            # null where nothing has changed since: the old one stays good
            if value.get("after_cursor") is not None:
                place["tickets"] = exports.cursor(value["after_cursor"])
                place.pop("tickets_from", None)
            yield Page(tuple(events), urlencode(place))

    def _pulled_ticket(self, begin: datetime, item: Any) -> Iterator[Event]:
        ticket = object_of(item, "a ticket")
        if solution := exports.solution(self._home, ticket):
            yield solution
        if self.promise_field:
            yield from exports.promised(self._home, ticket, self.promise_field, self.timezone, begin)

    def _surveys(
        self, http: httpx.Client, items: list[Any], begin: datetime, unread: list[str]
    ) -> list[Event]:
        """A survey that is answered changes its ticket: only the surveys of these are asked for."""
        rows = [item for item in items if isinstance(item, dict)]
        rated = read_each(rows, lambda ticket: [ticket] if exports.is_rated(ticket) else [], [])
        tickets = {str(ticket.get("id")): ticket for ticket in rated}
        path, found = "guide/survey_responses", list[Event]()
        for part in exports.parts(tickets):
            query = {
                "filter[subject_zrns]": ",".join(f"zen:ticket:{number}" for number in part),
                "page[size]": "100",
            }
            for answer in self._pages(http, path, query, query):
                responses = list_of(
                    object_of(answer.json, "the answer").get("survey_responses"), "survey_responses"
                )
                found += read_each(responses, partial(exports.surveyed, self._home, tickets, begin), unread)
        return found

    def _pull_by_time(
        self,
        http: httpx.Client,
        place: dict[str, str],
        unread: list[str],
        name: str,
        path: str,
        key: str,
        query: dict[str, str],
        translate: Callable[[httpx.Client, list[Any], list[str]], list[Event]],
    ) -> Iterator[Page]:
        """An export whose next page begins at the second in which this one ends."""

        def following(value: Any) -> str | None:
            value = object_of(value, "the answer")
            ended = value.get("end_of_stream")
            full = ended is False if isinstance(ended, bool) else len(value.get(key) or ()) >= FULL_PAGE
            return self._url(path, {**query, "start_time": str(exports.end(value))}) if full else None

        first = {**query, "start_time": str(max(_seconds(place, name) - OVERLAP, 0))}
        for answer in walk(self._url(path, first), partial(self._get, http), following):
            items = list_of(object_of(answer.json, "the answer").get(key), key)
            events = translate(http, items, unread)
            if items:
                place[name] = str(max(_seconds(place, name), exports.end(answer.json)))
            yield Page(tuple(events), urlencode(place))

    def _comments(self, http: httpx.Client, items: list[Any], unread: list[str]) -> list[Event]:
        written = read_each(items, exports.comments_in, [])
        staff = {
            number
            for number, user in self._many(http, "users", (row.get("author_id") for row in written)).items()
            if user.get("role") in ("agent", "admin")
        }
        tickets = self._many(
            http, "tickets", (row.get("ticket_id") for row in items if isinstance(row, dict))
        )
        return read_each(items, partial(exports.ticket_event, self._home, tickets, staff), unread)

    def _levels(self, http: httpx.Client, items: list[Any], unread: list[str]) -> list[Event]:
        wanted = [row for row in items if isinstance(row, dict) and row.get("metric") in self.sla_promises]
        tickets = self._many(http, "tickets", (row.get("ticket_id") for row in wanted), {"include": "slas"})
        newest = exports.newest_instances(wanted)
        read = partial(exports.service_level, self._home, self.sla_promises, tickets, newest)
        return read_each(wanted, read, unread)

    def _articles(
        self, begin: datetime, http: httpx.Client, items: list[Any], unread: list[str]
    ) -> list[Event]:
        return read_each(items, partial(exports.published, self._home, begin), unread)

    def _many(
        self, http: httpx.Client, what: str, ids: Iterable[Any], query: dict[str, str] | None = None
    ) -> dict[str, Row]:
        """Tickets or users by their numbers; those that are deleted are not among them."""
        numbers = sorted({str(value) for value in ids if isinstance(value, int) and value > 0})
        found: dict[str, Row] = {}
        for part in exports.parts(numbers):
            url = self._url(f"{what}/show_many.json", {"ids": ",".join(part), **(query or {})})
            for item in list_of(object_of(self._get(http, url).json, "the answer").get(what), what):
                row = object_of(item, what)
                found[str(row.get("id"))] = row
        return found

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """Agents and admins who are neither suspended nor deleted; `verified` is Zendesk's word for the address."""
        query = {"role[]": ["agent", "admin"], "page[size]": "100"}
        for answer in self._pages(http, "users.json", query, query):
            for item in list_of(object_of(answer.json, "the answer").get("users"), "users"):
                user = object_of(item, "a user")
                number = id_of(user.get("id"))
                if number and user.get("active") is not False and user.get("suspended") is not True:
                    name = text_of(user.get("name") or number, 200)
                    yield Account(
                        number, id_of(user.get("email")), name, verified=user.get("verified") is True
                    )

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The two signed headers of a Zendesk webhook."""
        stamp = iso(moment)
        return {
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
            "X-Zendesk-Webhook-Signature": hmac_of(self.signing_secret, stamp.encode() + body),
        }

    def _pages(
        self, http: httpx.Client, path: str, query: dict[str, Any], first: dict[str, Any]
    ) -> Iterator[Answer]:
        """A list in pages by cursor, from `first` on."""

        def following(value: Any) -> str | None:
            after = exports.after(value)
            return self._url(path, {**query, "page[after]": after}) if after else None

        return walk(self._url(path, first), partial(self._get, http), following)

    def _get(self, http: httpx.Client, url: str) -> Answer:
        token = self.api_token.get_secret_value() if self.api_token else ""
        if self.api_email:
            return fetch_json(http, url, auth=httpx.BasicAuth(f"{self.api_email}/token", token))
        return fetch_json(http, url, headers={"Authorization": f"Bearer {token}"})

    def _url(self, path: str, query: dict[str, Any]) -> str:
        return f"{self.api_url()}/api/v2/{path}?{urlencode(query, doseq=True)}"

    @property
    def _home(self) -> str:
        return f"https://{self.subdomain}.zendesk.com"


def _seconds(place: dict[str, str], name: str) -> int:
    value = place.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 11):
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin")
    return int(value)
