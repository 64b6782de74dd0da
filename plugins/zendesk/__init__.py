"""Zendesk Support: signed event webhooks, two trigger webhooks for ratings, and a pull of ratings and solved tickets."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import Field, field_validator

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
    fetch_json,
    hmac_matches,
    hmac_of,
    id_of,
    list_of,
    object_of,
    one_name,
    parse_time,
    refuse_stale,
    text_of,
    walk,
)

EVENT = "zen:event-type:"
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}


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
        "fact.withdrawn",
    )

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

    _subdomain = field_validator("subdomain")(one_name)

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
        return self._rating(
            ticket=body.get("ticket"),
            good=rating == "good",
            agent=body.get("agent"),
            customer=body.get("customer"),
            words=body.get("comment"),
            moment=parse_time(body.get("at")),
        )

    def _rating(
        self,
        *,
        ticket: Any,
        good: bool,
        agent: Any,
        customer: Any,
        words: Any,
        moment: datetime,
        reason: Any = None,
    ) -> Event:
        """A rating, the same whichever road it came by. A ticket has one; its value is part of the key."""
        number = _ticket(ticket)
        text = text_of(words or "").strip() or None
        value = ("thanks" if text else "good") if good else "bad"
        agent = id_of(agent)
        return Event(
            key=f"rating/{number}/{value}",
            kind=RATING_KINDS[value],
            occurred_at=moment,
            agents=(agent,) if agent else (),
            customer=id_of(customer),
            object=f"rating/{number}",
            ticket=number,
            text=text,
            url=self._link(number),
            evidence={"reason": text_of(reason, 200)} if reason else {},
        )

    def _status_changed(
        self, detail: dict[str, Any], event: dict[str, Any], moment: datetime
    ) -> Iterable[Event]:
        now, before = event.get("current"), event.get("previous")
        number = _ticket(detail.get("id"))
        changed_at = parse_time(detail["updated_at"]) if detail.get("updated_at") else moment
        if now == "SOLVED" and before != "CLOSED":
            agent = id_of(detail.get("assignee_id")) or id_of(detail.get("actor_id"))
            return [self._change("ticket.solved", number, changed_at, agent)]
        if before == "SOLVED" and now == "OPEN":
            return [self._change("ticket.reopened", number, changed_at)]
        return []

    def _change(self, kind: Kind, number: str, changed_at: datetime, agent: str | None = None) -> Event:
        """A ticket's change of state; the second of the change is part of the key, for it may happen again."""
        return Event(
            key=f"{kind.replace('.', f'/{number}/')}/{_iso(changed_at)}",
            kind=kind,
            occurred_at=changed_at,
            agents=(agent,) if agent else (),
            object=f"ticket/{number}",
            ticket=number,
            url=self._link(number),
        )

    def _comment_added(
        self, detail: dict[str, Any], event: dict[str, Any], moment: datetime
    ) -> Iterable[Event]:
        """A note on a colleague's ticket is help; a public answer is worth nothing, but makes a recovery possible."""
        comment = object_of(event.get("comment"), "event.comment")
        writer = object_of(comment.get("author"), "event.comment.author")
        number, comment_id = _ticket(detail.get("id")), id_of(comment.get("id"))
        author = id_of(writer.get("id")) or id_of(detail.get("actor_id"))
        owner, requester = id_of(detail.get("assignee_id")), id_of(detail.get("requester_id"))
        staff = writer.get("is_staff", author != requester)
        public = comment.get("is_public", detail.get("is_public"))
        if not isinstance(staff, bool) or not isinstance(public, bool):
            raise Invalid("the comment does not say whether it is public and by staff")
        if comment_id is None or author is None or not staff:
            return []
        if not public and owner in (None, author):
            return []
        return [
            Event(
                key=f"comment/{comment_id}/{'replied' if public else 'helped'}",
                kind="ticket.replied" if public else "help.given",
                occurred_at=moment,
                agents=(author,),
                giver=None if public else owner,
                object=f"ticket/{number}" if public else None,
                ticket=number,
                url=self._link(number),
                # The words stay in Zendesk: a note between colleagues was not written for a wall
            )
        ]

    def _merged(self, detail: dict[str, Any], event: dict[str, Any], moment: datetime) -> Iterable[Event]:
        """The merged ticket lives on in another, so what was rated on it no longer stands."""
        number, target = _ticket(detail.get("id")), id_of(event.get("target_ticket_id"))
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
            for value in RATING_KINDS
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
        title = event.get("title")
        return [
            Event(
                key=f"article/{number}/published",  # without the language: a translation is the same article
                kind="knowledge.shared",
                occurred_at=moment,
                agents=(author,),
                object=f"article/{number}",
                url=f"https://{self.subdomain}.zendesk.com/hc/articles/{number}",
                evidence={"title": text_of(title, 200)} if title else {},
            )
        ]

    def api_url(self) -> str | None:
        return f"https://{self.subdomain}.zendesk.com" if self.api_token else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """First the ratings, then the tickets that changed.

        The cursor is a query string. `ratings`: Unix seconds up to which all ratings were read. `after` and `until`: where to
        go on inside a list of ratings that was broken off, and what `ratings` becomes at its end. `tickets`: the cursor of
        Zendesk's incremental export (it leaves out the last minute by itself), or `tickets_from` before there is one.
        """
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            begin = str(int(self._beginning(http).timestamp()))
            place = {"ratings": begin, "tickets_from": begin}
        unread: list[str] = []
        yield from self._pull_ratings(http, place, unread)
        yield from self._pull_tickets(http, place, unread)
        if unread:
            raise Invalid(
                f"{len(unread)} of Zendesk's items could not be read and were left out; the first: {unread[0]}"
            )

    def _pull_ratings(self, http: httpx.Client, place: dict[str, str], unread: list[str]) -> Iterator[Page]:
        begin = _seconds(place, "ratings") - self.look_back_hours * 3600
        query = {"score": "received", "start_time": str(max(begin, 0)), "page[size]": "100"}
        first = {**query, "page[after]": place["after"]} if "after" in place else query

        def following(value: Any) -> str | None:
            after = _after(value)
            return self._url("satisfaction_ratings.json", {**query, "page[after]": after}) if after else None

        for answer in walk(
            self._url("satisfaction_ratings.json", first), lambda url: self._get(http, url), following
        ):
            if "until" not in place:
                # When the reading began, by Zendesk's clock: what is rated from now on is read next time
                until = int(answer.served_at.timestamp()) if answer.served_at else _seconds(place, "ratings")
                place["until"] = str(max(until, _seconds(place, "ratings")))
            events = []
            for item in list_of(
                object_of(answer.json, "the answer").get("satisfaction_ratings"), "satisfaction_ratings"
            ):
                try:
                    rating = object_of(item, "a rating")
                    if rating.get("score") in (
                        "good",
                        "bad",
                    ):  # offered and unoffered: the customer said nothing
                        events.append(self._pulled_rating(rating))
                except Invalid as error:
                    unread.append(error.message)
            if after := _after(answer.json):
                place["after"] = after
            else:
                place["ratings"] = place.pop("until")
                place.pop("after", None)
            yield Page(tuple(events), urlencode(place))

    def _pulled_rating(self, rating: dict[str, Any]) -> Event:
        return self._rating(
            ticket=rating.get("ticket_id"),
            good=rating["score"] == "good",
            agent=rating.get(
                "assignee_id"
            ),  # "the agent assigned to at the time of rating": not the ticket's present one
            customer=rating.get("requester_id"),
            words=rating.get("comment"),
            moment=parse_time(rating.get("updated_at")),
            reason=rating.get("reason"),
        )

    def _pull_tickets(self, http: httpx.Client, place: dict[str, str], unread: list[str]) -> Iterator[Page]:
        path, common = "incremental/tickets/cursor.json", {"include": "metric_sets", "per_page": "500"}
        begin = (
            {"cursor": place["tickets"]}
            if "tickets" in place
            else {"start_time": str(_seconds(place, "tickets_from"))}
        )

        def following(value: Any) -> str | None:
            value = object_of(value, "the answer")
            if value.get("end_of_stream") is not False:
                return None
            return self._url(path, {**common, "cursor": _text(value.get("after_cursor"))})

        for answer in walk(self._url(path, {**common, **begin}), lambda url: self._get(http, url), following):
            value = object_of(answer.json, "the answer")
            events: list[Event] = []
            for item in list_of(value.get("tickets"), "tickets"):
                try:
                    events.extend(self._pulled_ticket(object_of(item, "a ticket")))
                except Invalid as error:
                    unread.append(error.message)
            if (
                value.get("after_cursor") is not None
            ):  # null where nothing has changed since: the old one stays good
                place["tickets"] = _text(value["after_cursor"])
                place.pop("tickets_from", None)
            yield Page(tuple(events), urlencode(place), last=following(value) is None and not unread)

    def _pulled_ticket(self, ticket: dict[str, Any]) -> Iterable[Event]:
        """The ticket's latest solution, under the key that the event webhook gave it: both know the second of the change."""
        if ticket.get("status") not in ("solved", "closed"):
            return []
        solved_at = object_of(ticket.get("metric_set"), "metric_set").get("solved_at")
        if solved_at is None and ticket["status"] == "solved":
            solved_at = ticket.get("updated_at")
        if solved_at is None:
            return []
        agent = id_of(ticket.get("assignee_id"))
        return [self._change("ticket.solved", _ticket(ticket.get("id")), parse_time(solved_at), agent)]

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """Agents and admins who are neither suspended nor deleted; `verified` is Zendesk's word for the address."""
        query = {"role[]": ["agent", "admin"], "page[size]": "100"}

        def following(value: Any) -> str | None:
            after = _after(value)
            return self._url("users.json", {**query, "page[after]": after}) if after else None

        for answer in walk(self._url("users.json", query), lambda url: self._get(http, url), following):
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
        stamp = _iso(moment)
        return {
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
            "X-Zendesk-Webhook-Signature": hmac_of(self.signing_secret, stamp.encode() + body),
        }

    def _beginning(self, http: httpx.Client) -> datetime:
        """Where the first pull starts: `pull_from`, or seven days before Zendesk's own clock."""
        if self.pull_from:
            return datetime.combine(self.pull_from, time(0), UTC)
        served_at = self._get(http, self._url("satisfaction_ratings.json", {"page[size]": "1"})).served_at
        if served_at is None:
            raise Invalid("Zendesk does not say what time it is; set pull_from to a date")
        return served_at - timedelta(days=7)

    def _get(self, http: httpx.Client, url: str) -> Answer:
        token = self.api_token.get_secret_value() if self.api_token else ""
        if self.api_email:
            return fetch_json(http, url, auth=httpx.BasicAuth(f"{self.api_email}/token", token))
        return fetch_json(http, url, headers={"Authorization": f"Bearer {token}"})

    def _url(self, path: str, query: dict[str, Any]) -> str:
        return f"{self.api_url()}/api/v2/{path}?{urlencode(query, doseq=True)}"

    def _link(self, number: str) -> str:
        return f"https://{self.subdomain}.zendesk.com/agent/tickets/{number}"


def _ticket(value: Any) -> str:
    number = id_of(value)
    if number is None or not (number.isascii() and number.isdigit()):
        raise Invalid("there is no ticket number where Zendesk puts one")
    return number


def _after(value: Any) -> str | None:
    """Where a list in pages goes on, None at its end. Only the cursor is used, never the address beside it."""
    meta = object_of(object_of(value, "the answer").get("meta"), "meta")
    return _text(meta.get("after_cursor")) if meta.get("has_more") is True else None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 2_000:
        raise Invalid("Zendesk has more pages but does not say where to go on")
    return value


def _seconds(place: dict[str, str], name: str) -> int:
    value = place.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 11):
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin")
    return int(value)


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
