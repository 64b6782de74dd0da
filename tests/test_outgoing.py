"""P26: the server connects only where the config lets it, however an address is written and whoever names it."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from leaderboard import config, outgoing
from leaderboard.announcements import courier
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.outgoing import NotAllowed
from tests.conftest import CONFIG
from tests.make import Clock, Company
from tests.visitor import Visitor

INSIDE = [
    # this machine, private networks, shared ones, link-local with the cloud's metadata, multicast, broadcast, for documents
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    *("100.64.0.1", "169.254.169.254", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    # the same of the other family
    *("::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "ff0e::1", "100::1"),
    *("2001:db8::1", "4000::1", "5f00::1"),
    # and addresses that carry one of the above: mapped, compatible, translated, NAT64, 6to4, Teredo
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "::10.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::127.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::"),
    *("2001:0:7f00:1::", "2001::f5ff:fffe", "::ffff:0.0.0.0"),
]  # fmt: skip
"""Addresses that no call may reach unless the operator allowed the host."""
SPELLINGS = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001"),
    *("localhost", "LOCALHOST", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]"),
]  # fmt: skip
"""Ways to write this machine in an address."""
OUTSIDE = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]


@dataclass
class Door:
    """A web server on this machine that must not be reached, or answers by path where it may."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    """JSON by path; a text is where to go on."""


@pytest.fixture
def doors() -> Iterator[list[Door]]:
    """Two of them: the one that is allowed, and the one inside that is not."""
    made, servers = [Door(), Door()], []
    for door in made:

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self, door: Door = door) -> None:
                door.asked.append(self.path)
                said = door.answers.get(self.path.partition("?")[0], {})
                body = json.dumps(said).encode()
                self.send_response(302 if isinstance(said, str) else 200)
                if isinstance(said, str):
                    self.send_header("Location", said)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 (the name that http.server looks for)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        door.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


def test_no_address_inside_is_public_whatever_carries_it() -> None:
    assert [address for address in INSIDE if outgoing.is_public(address)] == []
    assert [address for address in OUTSIDE if not outgoing.is_public(address)] == []
    assert not outgoing.is_public("not an address")


@pytest.mark.parametrize("host", SPELLINGS)
def test_a_pull_reaches_this_machine_by_no_spelling(doors: list[Door], host: str) -> None:
    with outgoing.client({host.strip("[]")}) as http, pytest.raises((httpx.ConnectError, httpx.InvalidURL)):
        http.get(f"http://{host}:{doors[0].port}/")
    assert doors[0].asked == []


def test_a_call_goes_to_no_host_but_its_own(doors: list[Door]) -> None:
    port = doors[0].port
    with outgoing.client({"desk.example.com"}, {"127.0.0.1"}) as http:
        for address in (
            f"http://127.0.0.1:{port}/",
            f"http://desk.example.com@127.0.0.1:{port}/",
            f"http://desk.example.com:x@127.0.0.1:{port}/",
            f"http://127.0.0.1:{port}/#@desk.example.com",
            f"http://127.0.0.1:{port}/?@desk.example.com/",
            f"http://desk.example.com.127.0.0.1:{port}/",
            "ftp://desk.example.com/",
            "file:///etc/passwd",
        ):
            with pytest.raises((NotAllowed, httpx.UnsupportedProtocol)):
                http.get(address)
    assert doors[0].asked == []


def test_an_allowed_host_is_called_and_its_redirect_is_not_followed(doors: list[Door]) -> None:
    allowed, trap = doors
    allowed.answers["/"] = f"http://127.0.0.1:{trap.port}/"
    with outgoing.client({"127.0.0.1"}, {"127.0.0.1"}) as http:
        assert http.get(f"http://127.0.0.1:{allowed.port}/").status_code == 302
    assert (allowed.asked, trap.asked) == (["/"], [])


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A name server that answers so, one after the other; the addresses that were then connected to (in vain)."""
    said = iter(answers)
    connected: list[str] = []

    def look_up(host: str, port: int | None, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(said)]

    def connect(place: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        connected.append(place[0])
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    return connected


def test_a_name_is_looked_up_once_so_it_cannot_become_another_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected = resolving(monkeypatch, ["93.184.215.14"], ["127.0.0.1"], ["127.0.0.1"])
    with outgoing.client({"rebind.example.com"}) as http, pytest.raises(httpx.ConnectError):
        http.get("http://rebind.example.com/")
    assert connected == ["93.184.215.14"]


def test_a_name_of_which_one_address_is_inside_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = resolving(monkeypatch, ["93.184.215.14", "10.0.0.1"])
    with outgoing.client({"both.example.com"}) as http, pytest.raises(NotAllowed):
        http.get("http://both.example.com/")
    assert connected == []


def test_the_couriers_watch_lets_no_connection_inside() -> None:
    watch = courier.Watch([], 1)
    for address in [*INSIDE, "localhost", "", "/run/docker.sock"]:
        for event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            for place in ((address, 80), (address, 80, 0, 0), address):
                with pytest.raises(courier.Inside):
                    watch._connecting(event, (None, place))
    assert watch.refused
    for address in OUTSIDE:
        watch._connecting("socket.connect", (None, (address, 443)))


# ---------------------------------------------------------------- single sign-on


@pytest.fixture
def sqlite_company(db: Database, company: Company) -> Database:
    return db


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("named", ["metadata", "token_endpoint", "jwks_uri"])
def test_a_provider_cannot_send_us_inside(
    sqlite_company: Database, clock: Clock, doors: list[Door], named: str
) -> None:
    """Its metadata names where to fetch tokens and keys, and it may redirect; none of that is the operator's word."""
    allowed, trap = doors
    here, there = f"http://127.0.0.1:{allowed.port}", f"http://localhost:{trap.port}"
    metadata = {
        "issuer": here,
        "authorization_endpoint": f"{here}/authorize",
        "token_endpoint": f"{here}/token",
        "jwks_uri": f"{here}/keys",
    }
    if named == "metadata":
        allowed.answers["/.well-known/openid-configuration"] = f"{there}/openid"
    else:
        allowed.answers["/.well-known/openid-configuration"] = metadata | {named: f"{there}/{named}"}
        allowed.answers["/token"] = {
            "access_token": "a",
            "token_type": "Bearer",
            "id_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.AAAA",
        }
    section = f'[sign_in.oidc]\nissuer = "{here}"\nclient_id = "em"\nclient_secret = "s"\n'
    app = create_app(config.read(CONFIG + section), sqlite_company, clock)
    visitor = Visitor(app, app.response_class)
    away = visitor.get("/sign-in/single").headers["Location"]
    if named == "metadata":
        assert away == "/sign-in"
    else:
        state = httpx.URL(away).params["state"]
        back = visitor.get("/sign-in/single/back", query_string={"state": state, "code": "c"})
        assert back.headers["Location"] == "/sign-in"
        assert "/token" in allowed.asked or named == "token_endpoint"
    assert allowed.asked, "the issuer's own host is the operator's word"
    assert trap.asked == []


GOOD_TOKEN = {
    "access_token": "a",
    "token_type": "Bearer",
    "id_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.AAAA",
}
BAD_ANSWERS: list[tuple[str, Any]] = [
    *(("metadata", answer) for answer in ({}, [], None, {"authorization_endpoint": 5})),
    *(("/keys", answer) for answer in ({}, [], {"keys": [{}]}, {"keys": [{"kty": "RSA", "kid": "1"}]})),
    *(("/token", answer) for answer in ({}, [], None, 5, {"access_token": 5}, {"error": "no"}, {"error": 5})),
    *(
        ("/token", GOOD_TOKEN | {"id_token": token})
        for token in (None, 5, "", "x", "a.b", "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.e30.", {}, "é.é.é")
    ),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_whatever_a_provider_answers_signing_in_goes_on_another_way(
    sqlite_company: Database, clock: Clock, doors: list[Door]
) -> None:
    """No answer of its metadata, tokens or keys is a fault of ours, and none of these signs anybody in."""
    here = f"http://127.0.0.1:{doors[0].port}"
    whole = {
        "issuer": here,
        "authorization_endpoint": f"{here}/authorize",
        "token_endpoint": f"{here}/token",
        "jwks_uri": f"{here}/keys",
    }
    section = f'[sign_in.oidc]\nissuer = "{here}"\nclient_id = "em"\nclient_secret = "s"\n'
    app = create_app(config.read(CONFIG + section), sqlite_company, clock)
    for place, answer in BAD_ANSWERS:
        doors[0].answers = {
            "/.well-known/openid-configuration": answer if place == "metadata" else whole,
            "/token": GOOD_TOKEN,
            "/keys": {"keys": []},
        } | ({place: answer} if place != "metadata" else {})
        if place != "/token":  # what was fetched once is kept
            app = create_app(config.read(CONFIG + section), sqlite_company, clock)
        visitor = Visitor(app, app.response_class)
        away = visitor.get("/sign-in/single")
        assert away.status_code == 302, (place, answer)
        if place == "metadata":
            doors[0].answers["/.well-known/openid-configuration"] = whole
            away = visitor.get("/sign-in/single")
            assert away.headers["Location"].startswith(f"{here}/authorize?"), "well again by itself"
        else:
            state = httpx.URL(away.headers["Location"]).params["state"]
            back = visitor.get("/sign-in/single/back", query_string={"state": state, "code": "c"})
            assert (back.status_code, back.headers.get("Location")) == (302, "/sign-in"), (place, answer)
        assert visitor.get("/me").status_code == 302
