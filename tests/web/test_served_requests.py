"""P29 and P30 through the real server: what a bad request costs is bounded, and headers that anybody can send move no limit."""

import gzip
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from leaderboard import weeks
from leaderboard.config import Server
from leaderboard.database import Database
from leaderboard.plugin import Secret
from plugins.demo import DemoDesk
from tests import make
from tests.served import Served

MB = 1024 * 1024
SECRET = "shared with the demo desk"
ROOM = 40
"""Megabytes by which all that is sent here may let the server grow: it is sent far more."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    database = Database(f"sqlite:///{folder / 'x.db'}")
    database.upgrade()
    with database.writing() as session:
        make.company(session, weeks.now())
    database.dispose()
    with Served(folder, f"sqlite:///{folder / 'x.db'}") as server:
        yield server


def memory(served: Served) -> float:
    """Megabytes that the server's processes hold."""
    assert served.process is not None
    total = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(place.name)) == served.process.pid:
                total += int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue  # it has ended
    return total / MB


def talk(served: Served, *parts: bytes) -> int:
    """Send these bytes; the answer's status, 0 where the server hung up instead, -1 for an answer that is no HTTP/1.1."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        try:
            for part in parts:
                line.sendall(part)
            said = line.recv(100)
        except OSError:  # it had heard enough
            said = b""
    return int(said.split()[1]) if said.startswith(b"HTTP/1.1 ") else -bool(said)


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *lines, "", "")).encode()


def chunks(size: int, piece: bytes = b"x" * 65_536) -> Iterator[bytes]:
    for _ in range(size // len(piece)):
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


FORM = "Content-Type: application/x-www-form-urlencoded"
CHUNKED = "Transfer-Encoding: chunked"


def test_what_is_too_large_is_refused_and_never_held(served: Served) -> None:
    """Bodies with a length and without, forms, fields, headers, addresses: 4xx or hung up, and the memory stays."""
    talk(served, head("GET", "/sign-in"))
    before = memory(served)
    fields = b"&".join(b"field%d=1" % number for number in range(10_000))
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % n for n in range(5_000)
    )
    sent = {
        "a body of 2 MB": talk(
            served, head("POST", "/hooks/demo", f"Content-Length: {2 * MB}"), b"x" * 2 * MB
        ),
        "a body of 8 MB in chunks": talk(served, head("POST", "/hooks/demo", CHUNKED), *chunks(8 * MB)),
        "a length of 10^18": talk(
            served, head("POST", "/hooks/demo", f"Content-Length: {10**18}"), b"x" * 1000
        ),
        "a length that is none": talk(served, head("POST", "/hooks/demo", "Content-Length: -1"), b"x"),
        "two lengths": talk(
            served, head("POST", "/hooks/demo", "Content-Length: 1", "Content-Length: 2"), b"xx"
        ),
        "an API body of 2 MB": talk(
            served,
            head("POST", "/api/v1/stories", "Content-Type: application/json", f"Content-Length: {2 * MB}"),
            b"x" * 2 * MB,
        ),
        "8 MB of form in chunks": talk(served, head("POST", "/sign-in", FORM, CHUNKED), *chunks(8 * MB)),
        "a form of 100 KB": talk(
            served, head("POST", "/sign-in", FORM, "Content-Length: 102400"), b"email=" + b"x" * 102_394
        ),
        "a form of 10,000 fields": talk(
            served, head("POST", "/sign-in", FORM, f"Content-Length: {len(fields)}"), fields
        ),
        "a form of 5,000 parts": talk(
            served,
            head(
                "POST",
                "/sign-in",
                "Content-Type: multipart/form-data; boundary=b",
                f"Content-Length: {len(parts)}",
            ),
            parts,
        ),
        "300 headers": talk(served, head("GET", "/sign-in", *(f"X-{number}: 1" for number in range(300)))),
        "a header of 1 MB": talk(served, head("GET", "/sign-in", "X-Large: " + "x" * MB)),
        "a cookie of 1 MB": talk(served, head("GET", "/sign-in", "Cookie: extra_mile=" + "x" * MB)),
        "an address of 100 KB": talk(served, head("GET", "/sign-in?" + "x" * 100_000)),
        "no request at all": talk(served, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 1000),
        "HTTP/2": talk(served, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9),
    }
    assert {name: status for name, status in sent.items() if not (status == 0 or 400 <= status < 500)} == {}
    assert {name: status for name, status in sent.items() if "form of" in name and status != 413} == {}
    bodies = [status for name, status in sent.items() if name.startswith("a body of")]
    assert set(bodies) <= {0, 413}, "not read, to be refused for want of proof"
    for _ in range(20):
        talk(served, head("POST", "/hooks/demo", CHUNKED), *chunks(4 * MB))
    assert memory(served) - before < ROOM
    assert talk(served, head("GET", "/sign-in")) == 200


def test_what_is_packed_is_never_unpacked(served: Served) -> None:
    """A bomb of 1 MB that would be 1 GB: its bytes are what was signed, and they are no JSON."""
    bomb = gzip.compress(b"\0" * 64 * MB)
    desk = DemoDesk(secret=Secret(SECRET))
    before = memory(served)
    headers = {**desk.sign(bomb, weeks.now()), "Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer = httpx.post(f"{served.url}/hooks/demo", content=bomb, headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["state"]) == (202, "failed")
    assert memory(served) - before < ROOM


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" + b"0," * 400_000 + b"0]",
        b'{"a":' + b"9" * 500_000 + b"}",
        b'["' + b'\\"' * 400_000,
        json.dumps(dict.fromkeys(map(str, range(50_000)))).encode(),
    ],
    ids=["deep lists", "deep objects", "many values", "a long number", "quotes", "many keys"],
)
def test_a_bomb_in_json_is_refused_before_it_is_built(served: Served, body: bytes) -> None:
    desk = DemoDesk(secret=Secret(SECRET))
    before = memory(served)
    answer = httpx.post(
        f"{served.url}/hooks/demo", content=body, headers=desk.sign(body, weeks.now()), timeout=20
    )
    assert (answer.status_code, answer.json()["state"]) == (202, "failed")
    assert memory(served) - before < ROOM


def test_slow_bodies_close_the_product_to_nobody(served: Served) -> None:
    """Twice as many as there are threads, each waiting for a byte that does not come."""
    slow = []
    for number in range(2 * Server().threads):
        line = socket.create_connection(("127.0.0.1", served.port), timeout=20)
        kind = (head("POST", "/hooks/demo", "Content-Length: 1000"), head("POST", "/sign-in", FORM, CHUNKED))
        line.sendall(kind[number % 2] + b"1")
        slow.append(line)
    with httpx.Client(base_url=served.url, timeout=20) as http:
        for _ in range(5):
            assert http.get("/sign-in").status_code == 200
        answer = http.post("/hooks/demo", content=b"{}")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        for line in slow:
            line.close()
        for _ in range(100):  # once they are gone, all is as before
            if (answer := http.post("/hooks/demo", content=b"{}")).status_code != 503:
                break
            time.sleep(0.1)
    assert answer.status_code == 401


def test_no_header_that_anybody_can_send_moves_a_limit(served: Served) -> None:
    """P30: sixty wrong sign-ins from one address are enough, whatever each says where it comes from."""
    with httpx.Client(base_url=served.url, timeout=20) as http:
        page = http.get("/sign-in").text
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        statuses = []
        for number in range(64):
            claims = (
                "X-Forwarded-For",
                "X_Forwarded_For",
                "X-Real-IP",
                "Forwarded",
                "True-Client-IP",
                "Client-IP",
            )
            answer = http.post(
                "/sign-in",
                data={"email": f"p{number}@example.com", "password": "x" * 1025, "csrf_token": token},
                headers=dict.fromkeys(claims, f"203.0.113.{number}") | {"Via": f"1.1 proxy{number}"},
            )
            statuses.append(answer.status_code)
    assert statuses == [200] * 60 + [429] * 4
