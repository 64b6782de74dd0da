"""Reads a mailbox by IMAP over TLS, and changes nothing in it."""

import base64
import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from leaderboard.plugin import Invalid, TryLater, connect, parse_time

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

MOST_AT_ONCE = 1_000_000  # bytes of one answer; a message is asked for with less
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # fmt: skip
CAME = re.compile(rb'INTERNALDATE "([ 0-9][0-9])-([A-Z][a-z]{2})-([0-9]{4}) ([0-9:]{8}) ([+-][0-9]{4})"')
BUSY = ("[UNAVAILABLE]", "[LIMIT]", "[INUSE]", "[SERVERBUG]")
"""What a server says that means later; https://www.rfc-editor.org/rfc/rfc5530"""


@dataclass(frozen=True)
class Message:
    """A mail as the server holds it: its number in the folder, when it came in, and its first bytes."""

    uid: int
    came_at: datetime
    start: bytes


class _Connection(imaplib.IMAP4):
    """imaplib on a connection that was opened for us, which reads no more than was asked for."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._given = connection
        super().__init__()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """imaplib's name for where a connection comes from."""
        self.sock = self._given
        self._stream = self._given.makefile("rb")

    def read(self, size: int) -> bytes:
        """As many bytes as the server announced."""
        if size > MOST_AT_ONCE:
            raise Invalid(f"the mail server sends {size:,} bytes at once, which is more than was asked for")
        return self._stream.read(size)

    def readline(self) -> bytes:
        """A line, of at most as many."""
        line = self._stream.readline(MOST_AT_ONCE + 1)
        if len(line) > MOST_AT_ONCE:
            raise Invalid("the mail server sends a line without an end; is the folder very large?")
        return line

    def send(self, data: "Buffer") -> None:
        """Commands."""
        self._given.sendall(data)

    def shutdown(self) -> None:
        """Hang up."""
        self._stream.close()
        with suppress(OSError):
            self._given.close()


class Mailbox:
    """A mailbox that we are signed in to."""

    def __init__(self, connection: _Connection) -> None:
        self._imap = connection

    def open_folder(self, name: str) -> int:
        """Look into a folder without changing it. Its UIDVALIDITY: with another one, its numbers are other mails'."""
        status, _ = self._imap.select(folder_name(name), readonly=True)
        if status != "OK":
            raise Invalid(f"there is no folder {name!r}, or it may not be read")
        _, values = self._imap.response("UIDVALIDITY")
        value = values[-1] if values else None
        if not isinstance(value, bytes) or not value.isdigit():
            raise Invalid(f"the mail server does not say which numbering {name!r} has (UIDVALIDITY)")
        return int(value)

    def search(self, *criteria: str) -> list[int]:
        """The numbers of the mails that meet all of these, in order."""
        found = self._imap.uid("SEARCH", *criteria)[1]
        return sorted(int(number) for line in found if line for number in line.split() if number.isdigit())

    def newest(self) -> datetime | None:
        """When the folder's last mail came in: a mail server tells no other time."""
        return max((message.came_at for message in self._fetch("*", "(UID INTERNALDATE)")), default=None)

    def messages(self, uids: Sequence[int], most: int) -> list[Message]:
        """These mails, each up to `most` bytes."""
        wanted = ",".join(map(str, uids))
        found = self._fetch(wanted, f"(UID INTERNALDATE BODY.PEEK[]<0.{most}>)")
        return [message for message in found if message.start and message.uid in uids]

    def _fetch(self, uids: str, what: str) -> Iterator[Message]:
        rows: list[tuple[bytes, bytes]] = []
        for part in self._imap.uid("FETCH", uids, what)[1]:
            if isinstance(part, tuple):
                rows.append((part[0], part[1]))
            elif isinstance(part, bytes) and re.match(rb"[0-9]+ \(", part):
                rows.append((part, b""))
            elif isinstance(part, bytes) and rows:  # what stands behind the mail itself
                rows[-1] = (rows[-1][0] + b" " + part, rows[-1][1])
        for told, start in rows:
            uid, came = re.search(rb"\bUID ([0-9]{1,10})", told), CAME.search(told)
            if uid and came and came[2].decode() in MONTHS:
                day, month, year, clock, zone = (group.decode() for group in came.groups())
                moment = f"{year}-{MONTHS.index(month) + 1:02}-{day.strip():0>2}T{clock}{zone}"
                yield Message(int(uid[1]), parse_time(moment), start)


@contextmanager
def signed_in(
    http: httpx.Client, host: str, port: int, user: str, password: str, authorities: Path | None
) -> Iterator[Mailbox]:
    """The mailbox while we are signed in. Raises Invalid for what is to be mended, TryLater for what will pass."""
    connection = connect(http, host, port, authorities)
    try:
        imap = _Connection(connection)
    except (imaplib.IMAP4.error, OSError) as error:
        connection.close()
        raise TryLater(f"{host} does not greet as a mail server does: {_words(error)}") from None
    except BaseException:
        connection.close()
        raise
    try:
        _sign_in(imap, host, user, password)
        yield Mailbox(imap)
        imap.logout()
    except imaplib.IMAP4.abort as error:
        raise TryLater(f"{host} broke off: {_words(error)}") from None
    except imaplib.IMAP4.error as error:
        raise Invalid(f"{host} does not do what it is asked for: {_words(error)}") from None
    except OSError as error:
        raise TryLater(f"{host} broke off: {_words(error)}") from None
    finally:
        imap.shutdown()


def _sign_in(imap: _Connection, host: str, user: str, password: str) -> None:
    try:
        if "AUTH=PLAIN" in imap.capabilities:
            imap.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
        else:
            imap.login(f'"{_quoted(user)}"', password)
    except imaplib.IMAP4.abort:
        raise TryLater(f"{host} broke off while we signed in") from None
    except imaplib.IMAP4.error as error:
        # Nothing else of its answer: a server may repeat what it was sent
        code = next(iter(re.findall(r"\[[A-Z]{1,30}\]", str(error))), "")
        if code in BUSY:
            raise TryLater(f"{host} lets nobody in at the moment {code}") from None
        raise Invalid(f"{host} refuses our credentials; check user and password {code}".rstrip()) from None


def _words(error: BaseException) -> str:
    """What was answered, without line breaks and bounded; imaplib puts no credentials into it."""
    first = error.args[0] if error.args else ""
    text = first.decode("ascii", "replace") if isinstance(first, bytes) else str(error)
    return "".join(sign if sign.isprintable() else " " for sign in text)[:200] or type(error).__name__


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def folder_name(name: str) -> str:
    """A folder's name as IMAP writes it: in quotes, other signs than ASCII's in its own base64 (RFC 3501, 5.1.3)."""

    def escaped(found: re.Match[str]) -> str:
        if found[0] == "&":
            return "&-"
        coded = base64.b64encode(found[0].encode("utf-16-be")).decode().rstrip("=")
        return f"&{coded.replace('/', ',')}-"

    return f'"{_quoted(re.sub(r"&|[^ -~]+", escaped, name))}"'


def imap_day(day: date) -> str:
    """A day as a search writes it."""
    return f"{day.day:02}-{MONTHS[day.month - 1]}-{day.year}"
