"""A mailbox on a real IMAP server, how mails get into it, and a server that is none."""

import imaplib
import ipaddress
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from leaderboard import outgoing
from leaderboard.plugin import Event, Page
from plugins.mailbox import Mailbox
from tests.plugins.imap_server import PASSWORD, USER

HERE = "127.0.0.1"
CAME = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PASSED = "Authentication-Results: mx.example.com; dmarc=pass header.from={}"


@dataclass
class Desk:
    """A mailbox on a server that runs."""

    port: int
    certificate: Path
    folder: str = ""
    imap: imaplib.IMAP4 = field(init=False)

    def __post_init__(self) -> None:
        context = ssl.create_default_context(cafile=self.certificate)
        self.imap = imaplib.IMAP4_SSL(HERE, self.port, ssl_context=context)
        self.imap.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode())

    def put(
        self, mail: bytes, *, folder: str | None = None, came: datetime = CAME, keyword: str = ""
    ) -> None:
        """A mail as it lies in a folder, of the time when it came."""
        moment = f'"{came.astimezone(UTC):%d-%b-%Y %H:%M:%S +0000}"'
        status, said = self.imap.append(f'"{folder or self.folder}"', keyword, moment, mail)
        assert status == "OK", said

    def make(self, **settings: Any) -> Mailbox:
        given: dict[str, Any] = {"host": HERE, "port": self.port, "user": USER, "password": PASSWORD}
        asked = {"authorities": self.certificate, "staff_domains": ["example.com"], "folders": [self.folder]}
        told = {"authserv_id": "mx.example.com", "address": "thanks@example.com"}
        return Mailbox(**{**given, **asked, **told, **settings})

    def pull(self, since: str | None = None, **settings: Any) -> tuple[list[Event], str]:
        """As the clock does: page by page until the last."""
        found: list[Event] = []
        with outgoing.client({HERE}, {HERE}) as http:
            pages: list[Page] = []
            for page in self.make(**settings).pull(http, since):
                pages.append(page)
                found += page.events
                if page.last:
                    break
        return found, pages[-1].cursor


def mail(
    *headers: str,
    sender: str = "Mr Ito <ito@example.org>",
    to: str = "thanks+ana@example.com",
    number: str | None = "<1@example.org>",
    proof: str | None = None,
    body: str | bytes = "Thank you, Ana!\n",
) -> bytes:
    """A mail as it came in, with the line in which our own server says what it found out about its sender."""
    domain = sender.rstrip(">").rpartition("@")[2]
    said = [PASSED.format(domain) if proof is None else proof, *headers, f"From: {sender}", f"To: {to}"]
    if number:
        said.append(f"Message-ID: {number}")
    content = body.encode() if isinstance(body, str) else body
    lines = ["Received: by mx.example.com", *filter(None, said)] if proof is None else [*filter(None, said)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HERE))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return public, private


@contextmanager
def running(folder: Path) -> Iterator[Desk]:
    public, private = certificate(folder)
    command = [sys.executable, "-m", "tests.plugins.imap_server", str(public), str(private)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            desk = Desk(int(server.stdout.readline()), public)
            yield desk
            desk.imap.logout()
        finally:
            server.terminate()


@contextmanager
def saying(folder: Path, *said: bytes) -> Iterator[tuple[int, Path]]:
    """A server under TLS that says one of these after the other, whatever it is asked, and then hangs up."""
    public, private = certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    listening = socket.create_server((HERE, 0))

    def answer() -> None:
        tag = b""
        with (
            suppress(OSError),
            context.wrap_socket(listening.accept()[0], server_side=True) as caller,
            caller.makefile("rb") as lines,
        ):
            for number, words in enumerate(said):
                asked = lines.readline(4096) if number else b""
                tag = found[0] if (found := re.match(rb"[A-Z]{4}[0-9]+(?= )", asked)) else tag
                caller.sendall(words.replace(b"TAG", tag))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1], public
    finally:
        listening.close()
        thread.join(5)
