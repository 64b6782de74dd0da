"""Asks a tool's API, within limits: JSON answers, lists that come in pages."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from leaderboard.plugin.errors import Invalid, NoRights, TryLater
from leaderboard.plugin.reading import decode_json, object_of

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    import httpx  # loaded where it is used: it takes longer to load than all the rest of a config

Fact = TypeVar("Fact")

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


def fetch_json(
    http: "httpx.Client",
    url: str,
    *,
    method: str = "GET",
    empty_ok: bool = False,
    part_ok: bool = False,
    **request: Any,
) -> Answer:
    """Ask a tool's API for JSON, at most 16 MB of it. `request` is what httpx takes: params, headers, auth, data.

    With `empty_ok` status 204 is an answer too, for tools that say "none" so; its JSON is None. With `part_ok` 206 is one, for
    tools that say so of a page of a list.
    Raises TryLater when the tool wants us to wait (429, 5xx, no connection; its Retry-After is kept between 1 s and 1 h) and
    Invalid, saying what to mend, for everything that waiting will not cure. A redirect is never followed: it would carry the
    credentials to another address.
    """
    import httpx

    host = httpx.URL(url).host
    try:
        with http.stream(method, url, follow_redirects=False, **request) as response:
            if empty_ok and response.status_code == 204:
                return Answer(None, response.headers)
            if not (part_ok and response.status_code == 206):
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
    except httpx.LocalProtocolError:  # its text would show the credentials
        raise Invalid(
            f"{host} cannot be asked: the credentials hold a character that no header may have"
        ) from None
    except httpx.TransportError as error:
        raise TryLater(f"{host} cannot be reached or broke off: {error or type(error).__name__}") from None
    if not bytes(body).strip() or bytes(body).lstrip()[:1] not in b"{[":
        kind = headers.get("content-type", "no content type").split(";")[0][:40]
        raise Invalid(
            f"{host} answered with {kind} instead of JSON, often a sign-in page; check the address and the credentials"
        )
    return Answer(decode_json(bytes(body), max_nodes=1_000_000), headers)


def fetch_token(
    http: "httpx.Client", url: str, form: Mapping[str, str], check: str
) -> tuple[str, datetime | None]:
    """An OAuth access token for this form, and what time it is by the tool's clock.

    Raises Invalid where the tool gives none, naming the settings to `check`; and what `fetch_json` raises.
    """
    answer = fetch_json(http, url, method="POST", data=dict(form))
    token = object_of(answer.json, "the answer").get("access_token")
    # What no header may have would show the token in an error
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise Invalid(f"the tool gave no access token; check {check}")
    return token, answer.served_at


def connect(http: "httpx.Client", host: str, port: int, authorities: "Path | None" = None) -> "ssl.SSLSocket":
    """A connection under TLS, for a tool that does not speak HTTP: under the rules of `http`, the client that `pull` was given.

    Only to the host of `api_url()`, never inside the own network unless the config allows it, with 30 s for each answer; how
    much it reads the plugin bounds by itself. `authorities` is a PEM file of those whose certificates are believed, for a
    server whose certificate is of the company's own. Raises TryLater and Invalid like `fetch_json`.
    """
    import ssl

    import httpx

    open_connection = getattr(http, "connect", None)
    if open_connection is None:
        raise TypeError("connect needs the client that pull() was given")
    try:
        secured: ssl.SSLSocket = open_connection(host, port, authorities)
    except httpx.ConnectError as error:
        raise TryLater(f"{host} cannot be reached: {error}") from None
    except ssl.SSLCertVerificationError as error:
        raise Invalid(f"{host} shows a certificate that is not believed: {error.verify_message}") from None
    except FileNotFoundError:
        raise Invalid(f"the file of authorities for {host} is not there: {authorities}") from None
    except OSError as error:  # also TLS that fails
        raise TryLater(f"{host} cannot be reached: {error or type(error).__name__}") from None
    return secured


def _refuse_status(response: "httpx.Response", host: str) -> None:
    """Turn every status but success into TryLater or Invalid."""
    status = response.status_code
    if status in (200, 207):  # 207: several things were asked for, and some could not be found (HubSpot)
        return
    if status == 429 or status >= 500:
        raise TryLater(f"{host} asks us to wait (status {status})", _wait(response.headers))
    if 300 <= status < 400:
        raise Invalid(
            f"{host} sends us to another address (status {status}), which is not followed; check the address"
        )
    if status in (401, 403):
        raise NoRights(f"{host} refuses our credentials (status {status}); check them and what they may read")
    raise Invalid(
        f"{host} does not know this request (status {status}); check the address and the account's plan"
    )


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds until the next try: Retry-After (seconds or a date), at least 1, at most an hour; a minute when it is unclear."""
    # The second name is Help Scout's
    said = headers.get("retry-after") or headers.get("x-ratelimit-retry-after", "")
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
    import httpx

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


def beginning(pull_from: date | None, served_at: datetime | None) -> datetime:
    """Where a first pull starts: the setting `pull_from`, else seven days before the tool's own clock; Invalid without both."""
    if pull_from:
        return datetime.combine(pull_from, time(0), UTC)
    if served_at is None:
        raise Invalid("the tool does not say what time it is; set pull_from to a date")
    return served_at - timedelta(days=7)


def read_each(items: Iterable[Any], read: Callable[[Any], Iterable[Fact]], unread: list[str]) -> list[Fact]:
    """What `read` finds in each item of a list; one that cannot be read is left out, and `unread` gets its reason."""
    found: list[Fact] = []
    for item in items:
        try:
            found += read(item)
        except Invalid as error:
            unread.append(error.message)
    return found


def refuse_unread(unread: list[str]) -> None:
    """Raise Invalid about the items that were left out, once all others are kept; nothing where there are none."""
    if unread:
        raise Invalid(f"{len(unread)} items could not be read and were left out; the first: {unread[0]}")
