"""All that the author of a helpdesk plugin imports: Plugin, Event, Page, Account, Secret, Refused and a few tools.

A plugin is its settings plus a few verbs. It only translates: no database, no points, no people, no clock, no HTTP answers.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Literal

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr

__all__ = [
    "KINDS",
    "Account",
    "Answer",
    "Delivery",
    "Event",
    "Greeting",
    "Invalid",
    "Kind",
    "Page",
    "Plugin",
    "Refused",
    "Secret",
    "TryLater",
    "decode_json",
    "fetch_json",
    "hmac_matches",
    "hmac_of",
    "id_of",
    "list_of",
    "object_of",
    "parse_time",
    "refuse_stale",
    "short_hash",
    "text_of",
    "walk",
]

Secret = SecretStr

KINDS = (
    "story.accepted",
    "story.cosigned",
    "thanks.received",
    "rating.good",
    "rating.bad",
    "rating.recovered",
    "promise.made",
    "promise.moved",
    "promise.kept",
    "promise.missed",
    "ticket.solved",
    "ticket.reopened",
    "ticket.replied",  # an agent answered: worth nothing, but a recovery needs one between the unhappy and the good rating
    "help.given",
    "knowledge.shared",
    "fact.withdrawn",
)

Kind = Literal[
    "story.accepted",
    "story.cosigned",
    "thanks.received",
    "rating.good",
    "rating.bad",
    "rating.recovered",
    "promise.made",
    "promise.moved",
    "promise.kept",
    "promise.missed",
    "ticket.solved",
    "ticket.reopened",
    "ticket.replied",
    "help.given",
    "knowledge.shared",
    "fact.withdrawn",
]


class Refused(Exception):
    """The delivery is not from the tool it claims to be from. Answered 401, counted, not stored."""


class Invalid(Exception):
    """What came in cannot be right; the message says what to do about it and is shown to the sender or the person.

    `field` names the input that it is about, where there is one.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class TryLater(Exception):
    """The tool asks to wait before the next pull. `seconds` is how long (already bounded)."""

    def __init__(self, message: str, seconds: float = 60) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class Delivery:
    """One webhook call as it came: raw bytes first, headers by lower-case name, and when we received it.

    `url` is the public address it was sent to and `method` how, for tools that sign them; `args` is the query.
    """

    body: bytes
    headers: Mapping[str, str]
    received_at: datetime
    url: str = ""
    method: str = "POST"
    args: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """The header's value, or "" where it is missing."""
        return self.headers.get(name.lower(), "")

    def json(self) -> Any:
        """The body as strict JSON; Invalid for anything else."""
        return decode_json(self.body)


@dataclass(frozen=True)
class Event:
    """One normalised fact, in the tool's own words for people and things.

    key          the fact's own stable name within this source, from signed content; the same whichever road it came by
    kind         one of KINDS
    occurred_at  when it happened by the tool's time, aware
    agents       who it is to the credit of: account ids (or e-mail addresses) in this tool
    giver        the account that gave it, where a colleague did (a note's author is the *agent* of help.given; the ticket's
                 owner is its giver)
    customer     who the customer is: an address, id or name; used to count one thanks per customer, shown only to those who may
    object       what the fact is about and may be told again of: "rating/77", "promise/12". A rating's good and bad share one.
                 For fact.withdrawn: the *key* of the fact that no longer holds
    ticket       the ticket it belongs to
    text         the customer's or colleague's words
    url          where to look at it in the tool
    guideline    the slug of the guideline it shows; None lets the kind decide
    due_at       promises: by when
    evidence     anything else worth keeping: flat, small, text or numbers
    """

    key: str
    kind: Kind
    occurred_at: datetime
    agents: tuple[str, ...] = ()
    giver: str | None = None
    customer: str | None = None
    object: str | None = None
    ticket: str | None = None
    text: str | None = None
    url: str | None = None
    guideline: str | None = None
    due_at: datetime | None = None
    evidence: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Invalid(f"{self.kind!r} is not a kind; it is one of {', '.join(KINDS)}", "kind")
        if not self.key or len(self.key) > 200:
            raise Invalid("an event's key has 1 to 200 characters", "key")
        for moment in (self.occurred_at, self.due_at):
            if moment is not None and moment.tzinfo is None:
                raise Invalid("an event's times say their zone", "occurred_at")
        if self.kind == "fact.withdrawn" and not self.object:
            raise Invalid(
                "fact.withdrawn names the key of the fact that no longer holds in `object`", "object"
            )


@dataclass(frozen=True)
class Page:
    """One step of a pull: its events, and the cursor from which the next step goes on. `last` ends this pull."""

    events: tuple[Event, ...]
    cursor: str
    last: bool = False


@dataclass(frozen=True)
class Account:
    """One of the tool's agents, to be matched to a person by verified address."""

    id: str
    email: str | None
    name: str
    verified: bool = True
    bot: bool = False


@dataclass(frozen=True)
class Greeting:
    """The answer to a set-up handshake."""

    body: str
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


class Plugin(BaseModel):
    """The base of every plugin: a config section `[plugins.<source>]` is the constructor call.

    Settings are the class's fields; an unknown or missing one stops the start and names the key. A field of type `Secret` may
    be `{ env = "NAME" }` or `{ file = "path" }` in the config, and a list `secrets` beside it is not needed: while a secret is
    being changed, `previous_<name>` of the same section stays valid too (declare it as `Secret | None = None`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    title: ClassVar[str] = ""
    """The tool's name for people, as "Zendesk"."""
    proof: ClassVar[Literal["body", "token", "url"]] = "body"
    """What the signature covers: body, token (a claim without the body), or url (a shared secret only)."""
    earns: ClassVar[tuple[str, ...]] = ()
    """The kinds this plugin can bring, for the capability table."""
    sends: ClassVar[bool] = True
    """Whether the tool calls us (webhooks)."""
    api_hosts: ClassVar[tuple[str, ...]] = ()
    """Further hosts that pull() may call besides the one of `api_url()`."""

    def verify(self, delivery: Delivery) -> None:
        """Raise Refused unless the delivery is from the tool. The base refuses: a plugin that cannot verify takes none."""
        raise Refused("this source takes no webhooks")

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Answer a set-up handshake, or None when the delivery is not one."""
        return None

    def events(self, delivery: Delivery) -> Iterable[Event]:
        """The delivery's facts; nothing for what is not for us; Invalid (or any error) for what is malformed."""
        raise NotImplementedError(f"{type(self).__name__} takes no webhooks")

    def api_url(self) -> str | None:
        """The base address for pull() and accounts(), or None when this source is not pulled."""
        return None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The facts since a cursor (None: from the beginning the plugin chooses), a page at a time.

        `http` has no base address and no credentials; ask with `fetch_json`, which knows waiting, redirects and broken
        answers. An item that cannot be read stops nobody: leave it out, go on, and raise Invalid about it at the end.
        """
        return iter(())

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The tool's agents."""
        return iter(())

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """Headers that `verify` accepts for this body at this moment: for samples, `simulate` and tests."""
        raise NotImplementedError(f"{type(self).__name__} cannot sign")


MAX_DEPTH = 32
MAX_NODES = 10_000

# Possessive, and the closing quote optional: a body of nothing but escaped quotes is still read once, not once per quote.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_MARK = re.compile(r"[\[\]{},]")


def decode_json(body: bytes, *, max_nodes: int = MAX_NODES) -> Any:
    """Read strict JSON: UTF-8 without BOM, no duplicate keys, NaN, NUL, lone surrogates, numbers past 64 bits or 32 levels.

    Raises Invalid with the reason; depth and values are counted before anything is built (a nested bomb costs one pass).
    `max_nodes` may be raised for an answer we asked for ourselves.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"the body is not UTF-8 (byte {error.start})") from None
    if text.startswith("\ufeff"):
        raise Invalid("the body starts with a byte order mark; send plain UTF-8")
    bare = _STRING.sub("", text)
    depth = deepest = nodes = 0
    for mark in _MARK.finditer(bare):
        if mark[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark[0] in "]}":
            depth -= 1
        nodes += mark[0] not in "]}"
    if deepest > MAX_DEPTH:
        raise Invalid(f"the body is nested deeper than {MAX_DEPTH} levels")
    if nodes > max_nodes:
        raise Invalid(f"the body has more than {max_nodes:,} values")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_bounded_int,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        raise Invalid(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise Invalid(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    if "\\u" in text:  # only an escape can bring these in: UTF-8 itself has no surrogates
        _refuse_bad_text(value)
    elif "\x00" in text:
        raise Invalid("the body holds a NUL character")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("the body names a key twice")
    return found


def _no_constant(name: str) -> Any:
    raise Invalid(f"{name} is not JSON")


def _bounded_int(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise Invalid("a number does not fit into 64 bits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Invalid("a number is too large")
    return number


def _refuse_bad_text(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            text_of(item, len(item) + 1)
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def text_of(value: Any, limit: int = 2_000) -> str:
    """A text as people wrote it: a str without NUL and lone surrogates, cut to `limit` characters; Invalid otherwise."""
    if not isinstance(value, str):
        raise Invalid("a text was expected")
    if "\x00" in value:
        raise Invalid("a text holds a NUL character")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Invalid("a text holds half of a character (a lone surrogate)") from None
    return value[:limit]


# Seconds may be left out: Zendesk documents its {{ticket.updated_at_with_timestamp}} as 2013-12-12T05:35Z
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


def parse_time(value: Any, *, assume_utc: bool = False) -> datetime:
    """An ISO 8601 moment or Unix seconds as an aware UTC datetime; Invalid for anything else.

    A text without a zone is refused unless the tool is known to mean UTC by it (`assume_utc`).
    """
    if isinstance(value, bool):
        raise Invalid("a time was expected")
    try:
        if isinstance(value, int | float):
            moment = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str) and (match := _TIME.fullmatch(value)):
            day, clock, second, fraction, zone = match.groups()
            if zone is None and not assume_utc:
                raise Invalid(f"the time {value!r} does not say its zone; end it with Z or +00:00")
            micro = (fraction or "0")[:6].ljust(6, "0")
            shift = "+00:00" if zone in (None, "Z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
            moment = datetime.fromisoformat(f"{day}T{clock}:{second or '00'}.{micro}{shift}").astimezone(UTC)
        else:
            raise Invalid(f"{str(value)[:40]!r} is not a time; write it as 2026-11-20T09:00:00Z")
    except (ValueError, OverflowError, OSError):
        raise Invalid(f"{str(value)[:40]!r} is not a time that exists") from None
    if not 1970 <= moment.year <= 9998:
        raise Invalid(f"{str(value)[:40]!r} is not a time that exists")
    return moment


def hmac_matches(
    secrets: Iterable[Secret | None],
    signed: bytes,
    claimed: str,
    *,
    algorithm: Literal["sha1", "sha256"] = "sha256",
    encoding: Literal["hex", "base64"] = "base64",
) -> bool:
    """Whether `claimed` is the HMAC of `signed` under any of these secrets; constant time; False for anything malformed.

    The written form is compared, not what it decodes to: base64 has several spellings of the same bytes.
    """
    matched = False
    for secret in secrets:
        if secret is None or not secret.get_secret_value():
            continue
        expected = hmac_of(secret, signed, algorithm=algorithm, encoding=encoding)
        matched |= hmac.compare_digest(expected.encode(), claimed.encode("utf-8", "replace"))
    return matched


def hmac_of(
    secret: Secret,
    signed: bytes,
    *,
    algorithm: Literal["sha1", "sha256"] = "sha256",
    encoding: Literal["hex", "base64"] = "base64",
) -> str:
    """The HMAC a tool would put into its header: the counterpart of `hmac_matches` for `sign`."""
    digest = hmac.digest(secret.get_secret_value().encode(), signed, algorithm)
    return base64.b64encode(digest).decode() if encoding == "base64" else digest.hex()


def refuse_stale(
    sent_at: datetime, received_at: datetime, tolerance: timedelta = timedelta(minutes=5)
) -> None:
    """Raise Refused when a signed time stamp is further than `tolerance` from when we received it, either way."""
    if abs(received_at - sent_at) > tolerance:
        raise Refused(
            f"its time stamp is {int(abs((received_at - sent_at).total_seconds()))} s from our clock; check both clocks"
        )


def short_hash(*parts: str) -> str:
    """32 hex characters that name these texts together: for keys made of something long."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def id_of(value: Any) -> str | None:
    """An id as text, whether the tool wrote 77 or "77"; None for null, "" and 0; Invalid for anything that is not an id."""
    if value is None or value == "" or (value == 0 and not isinstance(value, bool)):
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Invalid("an id is a number or a text")
    text = str(value)
    if len(text) > 160 or not text.isprintable() or text.isspace():
        raise Invalid("an id has at most 160 printable characters")
    return text


def object_of(value: Any, what: str) -> dict[str, Any]:
    """A JSON object, {} where it is null or missing; Invalid names `what` should have been one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid(f"{what} is not an object")
    return value


def list_of(value: Any, what: str) -> list[Any]:
    """A JSON list; Invalid names `what` should have been one, also where it is missing."""
    if not isinstance(value, list):
        raise Invalid(f"{what} is not a list")
    return value


MAX_ANSWER = 16 * 1024 * 1024
MAX_WAIT = 3600


@dataclass(frozen=True)
class Answer:
    """What a tool's API answered: strict JSON, and the answer's headers."""

    json: Any
    headers: Mapping[str, str]

    @property
    def served_at(self) -> datetime | None:
        """The tool's own clock (its Date header): a plugin has none. None where the tool does not say."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def fetch_json(http: httpx.Client, url: str, *, method: str = "GET", **request: Any) -> Answer:
    """Ask a tool's API for JSON, at most 16 MB of it. `request` is what httpx takes: params, headers, auth, data.

    Raises TryLater when the tool wants us to wait (429, 5xx, no connection; its Retry-After is kept between 1 s and 1 h) and
    Invalid, saying what to mend, for everything that waiting will not cure. A redirect is never followed: it would carry the
    credentials to another address.
    """
    host = httpx.URL(url).host
    try:
        with http.stream(method, url, follow_redirects=False, **request) as response:
            _refuse_status(response, host)
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise Invalid(f"{host} answered with more than {MAX_ANSWER // 2**20} MB")
            headers = response.headers
    except httpx.HTTPStatusError as error:  # a client whose hooks raise by themselves
        _refuse_status(error.response, host)
        raise
    except httpx.DecodingError:
        raise Invalid(f"{host} answered with something that cannot be unpacked") from None
    except httpx.TransportError as error:
        raise TryLater(f"{host} cannot be reached or broke off ({type(error).__name__})") from None
    if not bytes(body).strip() or bytes(body).lstrip()[:1] not in b"{[":
        kind = headers.get("content-type", "no content type").split(";")[0][:40]
        raise Invalid(
            f"{host} answered with {kind} instead of JSON, often a sign-in page; check the address and the credentials"
        )
    return Answer(decode_json(bytes(body), max_nodes=1_000_000), headers)


def _refuse_status(response: httpx.Response, host: str) -> None:
    """Turn every status but 200 into TryLater or Invalid."""
    status = response.status_code
    if status == 200:
        return
    if status == 429 or status >= 500:
        raise TryLater(f"{host} asks us to wait (status {status})", _wait(response.headers))
    if 300 <= status < 400:
        raise Invalid(
            f"{host} sends us to another address (status {status}), which is not followed; check the address"
        )
    if status in (401, 403):
        raise Invalid(f"{host} refuses our credentials (status {status}); check them and what they may read")
    raise Invalid(
        f"{host} does not know this request (status {status}); check the address and the account's plan"
    )


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds until the next try: Retry-After (seconds or a date), at least 1, at most an hour; a minute when it is unclear."""
    said = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}", said):
        return float(min(max(int(said), 1), MAX_WAIT))
    try:
        until = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError, TypeError):
        return 60.0
    return min(max(until.total_seconds(), 1.0), float(MAX_WAIT))


def walk(
    first: str, fetch: Callable[[str], Answer], following: Callable[[Any], str | None], most: int = 1_000
) -> Iterator[Answer]:
    """A list that comes in pages: fetch `first`, then what `following` finds in each answer, until it finds None.

    Raises Invalid when the next address leaves the first one's host (the credentials must not), when it comes a second time,
    and after `most` pages: a list that never ends.
    """
    home, seen, url = httpx.URL(first), set[str](), first
    while True:
        seen.add(url)
        answer = fetch(url)
        yield answer
        following_url = following(answer.json)
        if following_url is None:
            return
        try:
            there = httpx.URL(following_url)
        except httpx.InvalidURL:
            raise Invalid(f"{home.host} names a next page that is not an address") from None
        if (there.scheme, there.host, there.port) != (home.scheme, home.host, home.port):
            raise Invalid(f"{home.host} names another host for its next page, which is not followed")
        if following_url in seen:
            raise Invalid(
                f"{home.host} names a page again that was read before; its list goes round in a circle"
            )
        if len(seen) >= most:
            raise Invalid(f"{home.host} has more than {most:,} pages at once; its list seems not to end")
        url = following_url
