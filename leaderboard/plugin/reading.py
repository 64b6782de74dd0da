"""Reads what tools write, strictly: JSON, texts, times, ids."""

import json
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from leaderboard.plugin.errors import Invalid

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


def legible(text: str) -> str:
    """The same text for the record: what no database takes, NUL and lone surrogates, is spelled out."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


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


def parse_due(value: Any, timezone: str) -> datetime:
    """A promised moment that a person wrote: a day means its end, and a time without a zone is one of `timezone`."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        value = f"{value}T23:59:59"
    moment = parse_time(value, assume_utc=True)
    if isinstance(value, str) and not re.search(r"(Z|[+-][0-9]{2}:?[0-9]{2})$", value):
        return moment.replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC)
    return moment


def zone_name(value: str) -> str:
    """The setting of a time zone; ValueError, saying how to write it, where there is no such zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError('write a time zone by its name, as "Europe/Berlin"') from None
    return value


def one_name(value: str) -> str:
    """The setting of a company's own part of the tool's address; ValueError, saying how to write it, for anything else."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
        raise ValueError('write the first part of your address only: "fairhaven" of https://fairhaven.…')
    return value


def web_address(value: str) -> str:
    """The setting of where a tool is, without a slash at its end; ValueError, saying how to write it, for anything else."""
    import httpx

    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL()
    # "<" stands in guides, where one's own address goes
    if url.scheme not in ("http", "https") or not url.host or "<" in value or url.query or url.userinfo:
        raise ValueError('write where the tool is, as "https://desk.example.com"')
    return value.rstrip("/")


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


def iso(moment: datetime) -> str:
    """A moment as tools write it: 2026-11-20T09:00:00Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


_TAG = re.compile(r"<([^<>]*)>")
_TAG_NAME = re.compile(r"(/?)\s*([a-z0-9]+)")
_BREAKS = {"br", "p", "div", "li", "tr", "h1", "h2", "h3", "ul", "ol", "table"}
_UNSAID = {"script", "style", "head", "title", "blockquote"}


def plain_text(value: Any, limit: int = 2_000) -> str:
    """What a mail in HTML says: without tags, style sheets and what it quotes, a line per paragraph, cut to `limit`."""
    said: list[str] = []
    unsaid: list[str] = []
    for number, part in enumerate(_TAG.split(text_of(value, 20_000))):
        if number % 2 == 0:
            if not unsaid:
                said.append(part)
            continue
        match = _TAG_NAME.match(part.lower())
        if match is None:
            continue
        closing, name = match.groups()
        if name in _UNSAID:
            if not closing:
                unsaid.append(name)
            elif name in unsaid:
                del unsaid[unsaid.index(name) :]
        elif name in _BREAKS and not unsaid:
            said.append("\n")
    lines = (" ".join(line.split()) for line in unescape("".join(said)).split("\n"))
    return text_of("\n".join(line for line in lines if line), limit)
