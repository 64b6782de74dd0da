"""Intercom: signed webhooks of conversations, tickets and articles, and a pull of the same."""

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import Field

from leaderboard.plugin import (
    Account,
    Answer,
    Delivery,
    Event,
    Greeting,
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
    parse_time,
    promised,
    read_each,
    refuse_unread,
    text_of,
)

# One to five: the faces that a customer chooses from. Three is neither good nor bad.
GOOD, BAD = (4, 5), (1, 2)
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
HOSTS = {"us": "api.intercom.io", "eu": "api.eu.intercom.io", "au": "api.au.intercom.io"}
VERSION = "2.14"
MOST_PAGES = 1_000


class Intercom(Plugin):
    """`[plugins.intercom]`; the README beside this file says where to click for each of these."""

    title = "Intercom"
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
        "fact.withdrawn",
    )
    to_tick = (
        "conversation.rating.added",
        "conversation.admin.closed, .opened, .replied, .noted",
        "conversation.deleted",
        "ticket.closed, ticket.state.updated, ticket.note.created",
        "article.published",
    )
    to_grant = ("Read conversations, tickets, admins and articles",)

    client_secret: Secret
    previous_client_secret: Secret | None = None
    access_token: Secret | None = None  # left out: webhooks only
    region: Literal["us", "eu", "au"] = "us"
    app_id: str | None = None  # for links into the inbox
    promise_attribute: str = "Promised for"  # a conversation's or ticket's attribute that holds a time
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it
    look_back_hours: int = Field(1, ge=1, le=24 * 14)  # what changed this long ago is read again

    def verify(self, delivery: Delivery) -> None:
        """`sha1=` and the hex HMAC-SHA1 of the body; https://developers.intercom.com/docs/webhooks/webhook-notifications

        There is no time stamp in it, so an old delivery can be sent again: it carries the same facts and earns nothing new.
        """
        algorithm, _, claimed = delivery.header("X-Hub-Signature").partition("=")
        secrets = (self.client_secret, self.previous_client_secret)
        matches = hmac_matches(secrets, delivery.body, claimed, algorithm="sha1", encoding="hex")
        if not matches or algorithm != "sha1":
            raise Refused("the signature does not match; compare client_secret with the app's")

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Intercom tries the address with HEAD when it is saved, and its signed ping wants a plain 200."""
        if delivery.method == "HEAD":
            return Greeting("")
        if b'"ping"' in delivery.body[:2_000]:
            self.verify(delivery)
            if object_of(delivery.json(), "the body").get("topic") == "ping":
                return Greeting("pong")
        return None

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of a notification; nothing for a topic that is not in this table."""
        body = object_of(delivery.json(), "the body")
        translate: Callable[[dict[str, Any], datetime], Iterator[Event]] | None = {
            "conversation.rating.added": self._rated,
            "conversation.admin.closed": self._closed,
            "conversation.admin.opened": self._opened,
            "conversation.admin.replied": self._replied,
            "conversation.admin.noted": self._noted,
            "conversation.deleted": self._deleted,
            "ticket.closed": self._ticket_changed,
            "ticket.state.updated": self._ticket_changed,
            "ticket.note.created": self._ticket_noted,
            "article.published": self._published,
        }.get(text_of(body.get("topic"), 60))
        if translate is None:
            return
        item = object_of(object_of(body.get("data"), "data").get("item"), "data.item")
        yield from translate(item, parse_time(body.get("created_at")))

    # ------------------------------------------------------------ conversations

    def _rated(self, item: dict[str, Any], moment: datetime) -> Iterator[Event]:
        """A rating, the same by webhook and by pull: a conversation has one."""
        rating, number = object_of(item.get("conversation_rating"), "conversation_rating"), _id(item)
        value = rating.get("rating")
        if isinstance(value, bool) or value not in GOOD + BAD:
            return
        text = text_of(rating.get("remark") or "").strip() or None
        word = "bad" if value in BAD else "thanks" if text else "good"
        teammate = object_of(rating.get("teammate"), "teammate")
        agent = None if teammate.get("type") == "bot" else id_of(teammate.get("id"))
        contacts = object_of(item.get("contacts"), "contacts").get("contacts") or [None]
        contact = (
            rating.get("contact") or item.get("user") or list_of(contacts, "contacts")[0]
        )  # old versions say `user`
        # `created_at` is when the rating was asked for
        at = rating.get("replied_at") or rating.get("updated_at")
        yield Event(
            key=f"rating/{number}/{word}",
            kind=RATING_KINDS[word],
            occurred_at=parse_time(at) if at else moment,
            agents=(agent,) if agent else (),
            customer=id_of(object_of(contact, "contact").get("id")),
            object=f"rating/{number}",
            ticket=number,
            text=text,
            url=self._link(number),
        )

    def _change(self, kind: Kind, word: str, number: str, at: datetime, agent: str | None) -> Event:
        """A change of state under a key that both roads know: its second."""
        return Event(
            key=f"conversation/{number}/{word}/{iso(at)}",
            kind=kind,
            occurred_at=at,
            agents=(agent,) if agent else (),
            object=f"ticket/{number}",
            ticket=number,
            url=self._link(number),
        )

    def _closed(self, item: dict[str, Any], moment: datetime) -> Iterator[Event]:
        number, part = _id(item), _last(item, "conversation_parts")
        at, agent = _at(part, moment), _admin(part.get("author")) or _assignee(item)
        yield self._change("ticket.solved", "solved", number, at, agent)
        yield from self._promised(item, moment, at)

    def _opened(self, item: dict[str, Any], moment: datetime) -> Iterator[Event]:
        at = _at(_last(item, "conversation_parts"), moment)
        yield self._change("ticket.reopened", "reopened", _id(item), at, None)
        yield from self._promised(item, moment)

    def _replied(self, item: dict[str, Any], moment: datetime) -> Iterator[Event]:
        """A teammate's answer. What Fin or a workflow says is nobody's."""
        part = _last(item, "conversation_parts")
        author = _admin(part.get("author"))
        if author:
            yield self._change("ticket.replied", "replied", _id(item), _at(part, moment), author)
        yield from self._promised(item, moment)

    def _noted(self, item: dict[str, Any], moment: datetime) -> Iterator[Event]:
        yield from self._note(_last(item, "conversation_parts"), _id(item), _assignee(item), moment)
        yield from self._promised(item, moment)

    def _note(
        self, part: dict[str, Any], ticket: str, owner: str | None, moment: datetime
    ) -> Iterator[Event]:
        """A note on a colleague's conversation or ticket is help."""
        number, author = id_of(part.get("id")), _admin(part.get("author"))
        if number is None or author is None or owner in (None, author) or part.get("part_type") != "note":
            return
        yield Event(
            key=f"note/{number}",
            kind="help.given",
            occurred_at=_at(part, moment),
            agents=(author,),
            giver=owner,
            ticket=ticket,
            url=self._link(ticket),
            # The words stay in Intercom: a note between colleagues was not written for a wall
        )

    def _deleted(self, item: dict[str, Any], moment: datetime) -> Iterator[Event]:
        number = id_of(item.get("id")) or id_of(item.get("conversation_id"))
        if number is None:
            raise Invalid("the conversation has no id")
        for word in RATING_KINDS:
            yield Event(
                key=f"conversation/{number}/deleted/{word}",
                kind="fact.withdrawn",
                occurred_at=moment,
                object=f"rating/{number}/{word}",
                ticket=number,
            )

    def _promised(
        self, item: dict[str, Any], seen_at: datetime, closed_at: datetime | None = None
    ) -> Iterator[Event]:
        """The time in the attribute is a promise of the assignee; closing by then keeps it."""
        attributes = item.get("custom_attributes") or item.get("ticket_attributes")
        due, agent = object_of(attributes, "attributes").get(self.promise_attribute), _assignee(item)
        if due is None or due == "" or agent is None:
            return
        number, due_at = _id(item), parse_time(due)
        about, url = f"promise/{number}", self._link(number)
        yield from promised(about, (agent,), seen_at, due_at, closed_at, ticket=number, url=url)

    # ------------------------------------------------------------ tickets and articles

    def _ticket_changed(self, item: dict[str, Any], moment: datetime) -> Iterator[Event]:
        """A ticket in a state of the category "resolved", by the time of the last change of its state."""
        number, is_solved = _id(item), _category(item) == "resolved"
        # A state may be "changed" to what it was
        changes = [
            part
            for part in _parts(item, "ticket_parts")
            if part.get("ticket_state") not in (None, part.get("previous_ticket_state"))
        ]
        at = _at(changes[-1] if changes else {}, moment)
        if is_solved:
            yield self._change("ticket.solved", "solved", number, at, _assignee(item))
        yield from self._promised(item, moment, at if is_solved else None)

    def _ticket_noted(self, item: dict[str, Any], moment: datetime) -> Iterator[Event]:
        ticket = object_of(item.get("ticket"), "ticket")
        part = object_of(item.get("ticket_part"), "ticket_part")
        yield from self._note(part, _id(ticket), _assignee(ticket), moment)

    def _published(self, item: dict[str, Any], moment: datetime) -> Iterator[Event]:
        number, author = _id(item), id_of(item.get("author_id"))
        if author is None or item.get("state") != "published":
            return
        title = item.get("title")
        yield Event(
            key=f"article/{number}/published",  # once: a later change is the same article
            kind="knowledge.shared",
            occurred_at=moment,
            agents=(author,),
            object=f"article/{number}",
            url=item.get("url") if isinstance(item.get("url"), str) else None,
            evidence={"title": text_of(title, 200)} if title else {},
        )

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return f"https://{HOSTS[self.region]}" if self.access_token else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """First the conversations, then the tickets, then the articles that changed.

        The cursor is a query string of the Unix seconds up to which each list was read. The order of a search is not promised,
        so they move with a list's last page: broken off in between, the next pull reads it again.
        """
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            begin = beginning(self.pull_from, self._get(http, "/admins").served_at)
            place = dict.fromkeys(("conversations", "tickets", "articles"), str(int(begin.timestamp())))
        unread: list[str] = []
        yield from self._search(http, "conversations", place, self._pulled_conversation, unread)
        yield from self._search(http, "tickets", place, self._pulled_ticket, unread)
        yield self._articles(http, place, unread)
        refuse_unread(unread)

    def _search(
        self,
        http: httpx.Client,
        name: str,
        place: dict[str, str],
        read: Callable[[Any], Iterator[Event]],
        unread: list[str],
    ) -> Iterator[Page]:
        begin = _seconds(place, name)
        from_then = max(begin - self.look_back_hours * 3600, 0)

        def read_since(item: Any) -> list[Event]:
            # What was changed now may have been rated or noted long ago; only what is new is told
            return [event for event in read(item) if event.occurred_at.timestamp() >= from_then]

        # ">" means "at or after" here: https://developers.intercom.com/docs/references/rest-api/api.intercom.io/conversations
        after = {"field": "updated_at", "operator": ">", "value": from_then}
        starting: str | None = None
        seen: set[str | None] = set()
        until = begin
        for number in range(MOST_PAGES):
            pagination = {"per_page": 50, **({"starting_after": starting} if starting else {})}
            sent = json.dumps({"query": after, "pagination": pagination}).encode()
            answer = self._get(http, f"/{name}/search", method="POST", content=sent)
            if number == 0 and answer.served_at:
                until = max(int(answer.served_at.timestamp()), begin)
            value = object_of(answer.json, "the answer")
            events = read_each(list_of(value.get(name), name), read_since, unread)
            following = object_of(object_of(value.get("pages"), "pages").get("next"), "pages.next")
            seen.add(starting)
            starting = id_of(following.get("starting_after"))
            if starting is None:
                place[name] = str(until)
            yield Page(tuple(events), urlencode(place))
            if starting is None:
                return
            if starting in seen:
                break
        raise Invalid(f"Intercom's list of {name} goes round in a circle or does not end")

    def _pulled_conversation(self, item: Any) -> Iterator[Event]:
        item = object_of(item, "a conversation")
        number, changed_at = _id(item), parse_time(item.get("updated_at"))
        told = object_of(item.get("statistics"), "statistics")
        yield from self._rated(item, changed_at)
        replied_at, closed_at = told.get("last_admin_reply_at"), told.get("last_close_at")
        if replied_at:
            yield self._change("ticket.replied", "replied", number, parse_time(replied_at), _assignee(item))
        is_closed = item.get("state") == "closed" and closed_at
        if is_closed:
            agent = id_of(told.get("last_closed_by_id")) or _assignee(item)
            yield self._change("ticket.solved", "solved", number, parse_time(closed_at), agent)
        yield from self._promised(item, changed_at, parse_time(closed_at) if is_closed else None)

    def _pulled_ticket(self, item: Any) -> Iterator[Event]:
        item = object_of(item, "a ticket")
        changed_at = parse_time(item.get("updated_at"))
        yield from self._ticket_changed(item, changed_at)
        for part in _parts(item, "ticket_parts"):
            yield from self._note(part, _id(item), _assignee(item), changed_at)

    def _articles(self, http: httpx.Client, place: dict[str, str], unread: list[str]) -> Page:
        """The articles that changed; Intercom lists those that changed last first."""
        begin, until, events = _seconds(place, "articles"), None, list[Event]()
        for number in range(1, MOST_PAGES):
            answer = self._get(http, f"/articles?per_page=50&page={number}")
            until = until or answer.served_at
            value = object_of(answer.json, "the answer")
            items = list_of(value.get("data"), "data")
            changes = read_each(items, _changed_at, unread)
            new = [item for item, at in changes if at.timestamp() >= begin - self.look_back_hours * 3600]
            events += read_each(new, lambda item: self._published(item, _changed_at(item)[0][1]), unread)
            total = object_of(value.get("pages"), "pages").get("total_pages")
            if len(new) < len(items) or not isinstance(total, int) or number >= total:
                break
        place["articles"] = str(max(int(until.timestamp()) if until else begin, begin))
        return Page(tuple(events), urlencode(place), last=not unread)

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The workspace's teammates. They sign in by their address, so it is theirs."""
        for item in list_of(object_of(self._get(http, "/admins").json, "the answer").get("admins"), "admins"):
            admin = object_of(item, "an admin")
            number = id_of(admin.get("id"))
            if number:
                is_bot = admin.get("type") != "admin"
                name = text_of(admin.get("name") or number, 200)
                yield Account(number, id_of(admin.get("email")), name, bot=is_bot)

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The signed header of an Intercom notification."""
        return {
            "X-Hub-Signature": "sha1=" + hmac_of(self.client_secret, body, algorithm="sha1", encoding="hex")
        }

    def _get(self, http: httpx.Client, path: str, **more: Any) -> Answer:
        token = self.access_token.get_secret_value() if self.access_token else ""
        headers = {"Authorization": f"Bearer {token}", "Intercom-Version": VERSION}
        if "content" in more:
            headers["Content-Type"] = "application/json"
        return fetch_json(http, f"{self.api_url()}{path}", headers=headers, **more)

    def _link(self, number: str) -> str | None:
        return self.app_id and f"https://app.intercom.com/a/inbox/{self.app_id}/inbox/conversation/{number}"


def _id(item: dict[str, Any]) -> str:
    number = id_of(item.get("id"))
    if number is None:
        raise Invalid(f"the {text_of(item.get('type') or 'item', 40)} has no id")
    return number


def _parts(item: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Of a conversation the part that made the webhook be sent; of a ticket all of them, the newest last."""
    parts = object_of(item.get(name), name).get(name)
    return [object_of(part, "a part") for part in list_of(parts if parts is not None else [], name)]


def _last(item: dict[str, Any], name: str) -> dict[str, Any]:
    return (_parts(item, name) or [{}])[-1]


def _at(part: dict[str, Any], otherwise: datetime) -> datetime:
    return parse_time(part["created_at"]) if part.get("created_at") else otherwise


def _admin(author: Any) -> str | None:
    author = object_of(author, "author")
    return id_of(author.get("id")) if author.get("type") == "admin" else None


def _assignee(item: dict[str, Any]) -> str | None:
    """Who has it. Versions before 2.0 of the API write an object, and nobody as an object without an id."""
    return id_of(item.get("admin_assignee_id")) or _admin(item.get("assignee"))


def _category(ticket: dict[str, Any]) -> Any:
    state = ticket.get("ticket_state")
    return (
        state.get("category") if isinstance(state, dict) else state
    )  # versions before 2.13 write the category


def _changed_at(item: Any) -> list[tuple[dict[str, Any], datetime]]:
    article = object_of(item, "an article")
    return [(article, parse_time(article.get("updated_at")))]


def _seconds(place: dict[str, str], name: str) -> int:
    value = place.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 11):
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin")
    return int(value)
