"""GLPI 11: followups and solutions by signed webhook; surveys, promises and all else by pull through its session API."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import field_validator

from leaderboard.plugin import (
    Account,
    Answer,
    Delivery,
    Event,
    Greeting,
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
    parse_due,
    parse_time,
    promised,
    read_each,
    refuse_stale,
    refuse_unread,
    text_of,
    web_address,
    written,
    zone_name,
)

from .items import RATING_KINDS, Team, deleted, number_of, team_of_rows, team_of_webhook, user_in, words_of

# Stars of a survey; how many are good and bad is a setting
MOST_STARS = 5
SOLVED = (5, 6)  # a ticket's status: solved, closed; src/CommonITILObject.php
REFUSED = 4  # a solution's; src/CommonITILValidation.php
CHALLENGE = b"validate_cra_challenge"  # what GLPI signs to make its challenge; src/Webhook.php

MOST_PAGES = 1_000
OVERLAP = timedelta(minutes=5)
RECENT = timedelta(days=1)

Get = Callable[..., Answer]


class Glpi(Plugin):
    """`[plugins.glpi]`; the README beside this file says where to click for each of these."""

    title = "GLPI"
    # Signed when it is queued, not when it is sent; and sent again with the same time
    tolerance: ClassVar[timedelta] = timedelta(days=1)
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
    to_tick = ("Followup · New, Update, Delete", "Solution · New", "Ticket · Delete")
    to_grant = ("a profile that reads all tickets, private followups, the FAQ and users",)
    page_size: ClassVar[int] = 50

    address: str
    secret: Secret | None = None  # left out: pull only
    previous_secret: Secret | None = None
    user_token: Secret | None = None  # left out: webhooks only
    app_token: Secret | None = None  # where the API client asks for one
    timezone: str = "UTC"  # in which the API writes its times
    thanks_source: str = "Thanks"  # a source of followups: what has it is a customer's thanks
    promise_field: str = "time_to_resolve"  # the ticket's column with the promised time; "" for no promises
    good_from: float = 4  # stars, of five
    bad_up_to: float = 2
    read_timeline: bool = True  # two more requests for each ticket that changed
    read_faq: bool = False
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _address = field_validator("address")(web_address)
    _timezone = field_validator("timezone")(zone_name)

    def greet(self, delivery: Delivery) -> Greeting | None:
        """GLPI's challenge: a token that it made with the secret, and wants signed with it.

        Only that token is signed. Whoever could have any text signed here could sign a delivery.
        """
        token = delivery.args.get("crc_token", "")
        if delivery.method != "GET" or not token:
            return None
        for secret in (self.secret, self.previous_secret):
            if secret and hmac_matches((secret,), CHALLENGE, token, encoding="hex"):
                return Greeting(hmac_of(secret, token.encode(), encoding="hex"))
        raise Refused("the challenge is not signed with our secret; compare it with the webhook's")

    def verify(self, delivery: Delivery) -> None:
        """The hex HMAC-SHA256 of the body and then the time stamp; Webhook::raise() in src/Webhook.php."""
        stamp, claimed = delivery.header("X-GLPI-timestamp"), delivery.header("X-GLPI-signature")
        signed = delivery.body + stamp.encode("utf-8", "replace")
        if not hmac_matches((self.secret, self.previous_secret), signed, claimed, encoding="hex"):
            raise Refused("the signature does not match; compare secret with the webhook's")
        try:
            sent_at = parse_time(int(stamp))
        except (ValueError, Invalid):
            raise Refused("the time stamp is not a number of seconds") from None
        refuse_stale(sent_at, delivery.received_at, self.tolerance)

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of a followup, a solution or a deleted ticket in GLPI's own form; nothing for other things.

        Which of them it is, the form does not say: they are told apart by what they have.
        """
        body = object_of(delivery.json(), "the body")
        item, parent = object_of(body.get("item"), "item"), object_of(body.get("parent_item"), "parent_item")
        if "team" in item:
            if body.get("event") == "delete":
                yield from deleted(number_of(item.get("id")), parse_time(item.get("date_mod")))
            return
        if item.get("itemtype") != "Ticket":
            return
        ticket, number, team = (
            number_of(item.get("items_id")),
            number_of(item.get("id")),
            team_of_webhook(parent),
        )
        if "is_private" in item:
            if body.get("event") == "delete":
                moment = parse_time(item.get("date_mod") or item.get("date_creation"))
                key = f"followup/{number}/deleted"
                yield Event(key, "fact.withdrawn", moment, object=f"followup/{number}/thanks", ticket=ticket)
                return
            source = object_of(item.get("request_type"), "request_type")
            yield from self._followup(
                number,
                ticket,
                team,
                moment=parse_time(item.get("date_creation")),
                author=user_in(item, "user"),
                editor=user_in(item, "user_editor"),
                is_private=item.get("is_private"),
                is_thanks=self._is_thanks(source.get("name")),
                content=item.get("content"),
            )
        elif body.get("event") == "new" and parent:
            # The solution does not tell its time; the ticket changed with it
            yield self._solved(number, ticket, user_in(item, "user"), parse_time(parent.get("date_mod")))

    def _followup(
        self,
        number: str,
        ticket: str,
        team: Team,
        *,
        moment: datetime,
        author: str | None,
        editor: str | None,
        is_private: Any,
        is_thanks: bool,
        content: Any,
    ) -> Iterator[Event]:
        """A colleague's private followup is help, a public one an answer; with the source of thanks it is a customer's.

        Its words are kept for a thanks only: a note between colleagues was not written for a wall.
        """
        whose: dict[str, Any] = {"ticket": ticket, "url": self._link(ticket)}
        if is_thanks:
            writer = editor or author  # who called it a thanks: nobody earns by thanking themselves
            yield Event(
                key=f"followup/{number}/thanks",
                kind="thanks.received",
                occurred_at=moment,
                agents=team.assigned,
                giver=writer if writer not in team.customers else None,
                customer=next(iter(team.customers), None),
                object=f"rating/{ticket}",
                text=words_of(content),
                **whose,
            )
            return
        if not isinstance(is_private, bool):
            raise Invalid("a followup does not say whether it is private")
        if author is None or author in team.customers or (is_private and author in team.assigned):
            return
        owner = next(iter(team.assigned), None)
        yield from written(f"followup/{number}", author, owner, moment, private=is_private, **whose)

    def _solved(self, number: str, ticket: str, author: str | None, moment: datetime) -> Event:
        return Event(
            key=f"solution/{number}/solved",
            kind="ticket.solved",
            occurred_at=moment,
            agents=(author,) if author else (),
            object=f"ticket/{ticket}",
            ticket=ticket,
            url=self._link(ticket),
        )

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return self.address if self.user_token else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """First the surveys' answers, then the tickets that changed with their timeline, then the FAQ; each the newest first.

        The cursor is a query string of moments, `ratings`, `tickets` and `faq`: up to where each was read. A place moves
        once all of its list was read: broken off in between, the next pull begins with the newest again.
        """
        get, served_at = self._sign_in(http)
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            place = dict.fromkeys(("ratings", "tickets", "faq"), iso(beginning(self.pull_from, served_at)))
        unread: list[str] = []
        rated = partial(self._rated, get)
        yield from self._newest(get, place, "ratings", "TicketSatisfaction", "date_answered", rated, unread)
        begin = _moment(place, "tickets") - (RECENT if since else OVERLAP)
        read = partial(self._ticket, get, begin, self._thanks_sources(get))
        yield from self._newest(get, place, "tickets", "Ticket", "date_mod", read, unread)
        if self.read_faq:
            yield from self._newest(get, place, "faq", "KnowbaseItem", "date_mod", self._article, unread)
        refuse_unread(unread)
        yield Page((), urlencode(place), last=True)

    def _newest(
        self,
        get: Get,
        place: dict[str, str],
        name: str,
        path: str,
        by: str,
        read: Callable[[Any], Iterator[Event]],
        unread: list[str],
    ) -> Iterator[Page]:
        begin = _moment(place, name) - OVERLAP
        until: datetime | None = None
        for items, answer in self._listed(get, path, sort=by, order="DESC"):
            until = until or answer.served_at
            times = [read_each([item], lambda item: self._times(item, by), []) for item in items]
            # One whose time cannot be read is read all the same: that says what is wrong with it
            fresh = [item for item, found in zip(items, times, strict=True) if not found or found[0] >= begin]
            # Within a page the oldest first, so that what was told later counts later
            yield Page(tuple(read_each(reversed(fresh), read, unread)), urlencode(place))
            if any(found and found[0] < begin for found in times):
                break
        place[name] = iso(max(until or begin, begin))

    def _listed(self, get: Get, path: str, **query: str) -> Iterator[tuple[list[Any], Answer]]:
        before = list[Any]()
        for page in range(MOST_PAGES):
            first = page * self.page_size
            answer = get(path, **query, range=f"{first}-{first + self.page_size - 1}")
            items = list_of(answer.json, path)
            if items and items == before:
                break
            yield items, answer
            if len(items) < self.page_size:
                return
            before = items
        raise Invalid(f"GLPI's list of {path} goes round in a circle or does not end")

    def _all(self, get: Get, path: str) -> Iterator[dict[str, Any]]:
        for items, _ in self._listed(get, path):
            for item in items:
                yield object_of(item, f"an item of {path}")

    def _times(self, item: Any, by: str) -> list[datetime]:
        written = object_of(item, "an item").get(by)
        # The newest come first, and those without a time last: an unanswered survey is older than all
        return [self._time(written) if written else datetime.min.replace(tzinfo=UTC)]

    def _rated(self, get: Get, item: Any) -> Iterator[Event]:
        """A survey's answer. It names no agent, so it is about those to whom the ticket is assigned."""
        survey = object_of(item, "a survey")
        ticket, stars = number_of(survey.get("tickets_id")), survey.get("satisfaction_scaled_to_5")
        stars = survey.get("satisfaction") if stars is None else stars
        if isinstance(stars, bool) or not isinstance(stars, int | float) or not 0 <= stars <= MOST_STARS:
            return
        text = text_of(survey.get("comment") or "").strip() or None
        if stars >= self.good_from:
            word = "thanks" if text else "good"
        elif stars <= self.bad_up_to:
            word = "bad"
        else:
            return
        team = team_of_rows(self._all(get, f"Ticket/{ticket}/Ticket_User"))
        yield Event(
            key=f"rating/{ticket}/{word}",  # a ticket has one survey
            kind=RATING_KINDS[word],
            occurred_at=self._time(survey.get("date_answered")),
            agents=team.assigned,
            customer=next(iter(team.customers), None),
            object=f"rating/{ticket}",
            ticket=ticket,
            text=text,
            url=self._link(ticket),
        )

    def _ticket(self, get: Get, begin: datetime, thanks_sources: set[str], item: Any) -> Iterator[Event]:
        ticket = object_of(item, "a ticket")
        number, changed_at = number_of(ticket.get("id")), self._time(ticket.get("date_mod"))
        due = ticket.get(self.promise_field) if self.promise_field else None
        if not self.read_timeline and not due:
            return
        team = team_of_rows(self._all(get, f"Ticket/{number}/Ticket_User"))
        if due and team.assigned:
            about, due_at = f"promise/{number}", parse_due(due, self.timezone)
            solved = ticket.get("solvedate") if ticket.get("status") in SOLVED else None
            solved_at = self._time(solved) if solved else None
            whose: dict[str, Any] = {"ticket": number, "url": self._link(number)}
            yield from promised(about, team.assigned, changed_at, due_at, solved_at, **whose)
        if self.read_timeline:
            for row in self._all(get, f"Ticket/{number}/ITILFollowup"):
                found = self._written(thanks_sources, number, team, row)
                yield from (event for event in found if event.occurred_at >= begin)
            for row in self._all(get, f"Ticket/{number}/ITILSolution"):
                yield from (event for event in self._solution(number, row) if event.occurred_at >= begin)

    def _written(
        self, thanks_sources: set[str], ticket: str, team: Team, row: dict[str, Any]
    ) -> Iterator[Event]:
        is_private = row.get("is_private")
        yield from self._followup(
            number_of(row.get("id")),
            ticket,
            team,
            moment=self._time(row.get("date_creation") or row.get("date")),
            author=id_of(row.get("users_id")),
            editor=id_of(row.get("users_id_editor")),
            is_private=bool(is_private) if is_private in (0, 1) else None,
            is_thanks=id_of(row.get("requesttypes_id")) in thanks_sources,
            content=row.get("content"),
        )

    def _solution(self, ticket: str, row: dict[str, Any]) -> Iterator[Event]:
        """A solution solves its ticket; refused, it opens it again."""
        number, about = number_of(row.get("id")), f"ticket/{ticket}"
        yield self._solved(number, ticket, id_of(row.get("users_id")), self._time(row.get("date_creation")))
        if row.get("status") == REFUSED and row.get("date_approval"):
            moment = self._time(row["date_approval"])
            yield Event(f"solution/{number}/refused", "ticket.reopened", moment, object=about, ticket=ticket)

    def _article(self, item: Any) -> Iterator[Event]:
        """An entry of the FAQ; changed again, it counts no second time."""
        entry = object_of(item, "an entry")
        number, author, title = number_of(entry.get("id")), id_of(entry.get("users_id")), entry.get("name")
        if entry.get("is_faq") in (1, True) and author:
            yield Event(
                key=f"article/{number}/published",
                kind="knowledge.shared",
                occurred_at=self._time(entry.get("date_mod")),
                agents=(author,),
                object=f"article/{number}",
                url=f"{self.address}/front/knowbaseitem.form.php?id={number}",
                evidence={"title": text_of(title, 200)} if title else {},
            )

    def _thanks_sources(self, get: Get) -> set[str]:
        """The numbers of the sources with the setting's name: followups hold a number by pull, and a name by webhook."""
        if not self.read_timeline:
            return set()
        rows = self._all(get, "RequestType")
        return {number_of(row.get("id")) for row in rows if self._is_thanks(row.get("name"))}

    def _is_thanks(self, name: Any) -> bool:
        wanted = self.thanks_source.strip().casefold()
        return bool(wanted) and isinstance(name, str) and name.strip().casefold() == wanted

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The active users with a profile of the standard interface: a list of all users would name every customer too."""
        get, _ = self._sign_in(http)
        rows = partial(self._all, get)
        central = {id_of(row.get("id")) for row in rows("Profile") if row.get("interface") == "central"}
        held = [(id_of(row.get("users_id")), id_of(row.get("profiles_id"))) for row in rows("Profile_User")]
        staff = {user for user, profile in held if profile in central}
        addresses: dict[str | None, str | None] = {}
        for row in rows("UserEmail"):
            owner = id_of(row.get("users_id"))
            if owner not in addresses or row.get("is_default") in (1, True):
                addresses[owner] = id_of(row.get("email"))
        for user in rows("User"):
            number, login = id_of(user.get("id")), text_of(user.get("name") or "", 100)
            if number is None or number not in staff or user.get("is_active") in (0, False):
                continue
            names = (text_of(user.get(name) or "", 100) for name in ("firstname", "realname"))
            name = " ".join(part for part in names if part) or login or number
            yield Account(number, addresses.get(number), name, bot=login == "glpi-system")

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The signed headers of a GLPI webhook."""
        stamp = str(int(moment.timestamp()))
        signature = hmac_of(self.secret or Secret(""), body + stamp.encode(), encoding="hex")
        return {"X-GLPI-timestamp": stamp, "X-GLPI-signature": signature}

    def _sign_in(self, http: httpx.Client) -> tuple[Get, datetime | None]:
        """How to ask within a session, and what time it is by GLPI's clock."""
        app = {"App-Token": self.app_token.get_secret_value()} if self.app_token else {}
        token = self.user_token.get_secret_value() if self.user_token else ""

        def get(path: str, headers: dict[str, str] | None = None, **query: str) -> Answer:
            url = f"{self.api_url()}/apirest.php/{path}"
            url += f"?{urlencode({**query, 'get_hateoas': 'false'})}" if query else ""
            # A page of a list that has more is 206
            return fetch_json(http, url, headers={**app, **(headers or session)}, part_ok=True)

        answer = get("initSession", {"Authorization": f"user_token {token}"})
        opened = object_of(answer.json, "the answer").get("session_token")
        if not isinstance(opened, str) or not opened.isascii() or not opened.isprintable() or not opened:
            raise Invalid("GLPI opened no session; check user_token and app_token")
        session = {"Session-Token": opened}
        return get, answer.served_at

    def _time(self, value: Any) -> datetime:
        """The API writes times without a zone, in the zone of its user."""
        return parse_due(value, self.timezone)

    def _link(self, ticket: str) -> str:
        return f"{self.address}/front/ticket.form.php?id={ticket}"


def _moment(place: dict[str, str], name: str) -> datetime:
    try:
        return parse_time(place.get(name, ""))
    except Invalid:
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin") from None
