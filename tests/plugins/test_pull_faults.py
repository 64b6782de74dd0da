"""A tool that misbehaves during a pull: the pull ends, keeps what it has and says what is wrong."""

import gzip
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest

from leaderboard.plugin import Invalid, Page, TryLater
from tests.plugins.pulled import Pulled
from tests.plugins.pulls import demo, help_scout, pull_with, zendesk
from tests.plugins.tools import NOW, Asked, DemoTool, HelpScoutTool, Said, ZendeskTool

PAGE = b"<!doctype html><title>Sign in</title>"
BOMB = gzip.compress(b"[" + b"0," * (10 * 1024 * 1024) + b"0]")
FAULTS: dict[str, tuple[Said, type[Exception], str]] = {
    "R1 a sign-in page": (
        Said(raw=PAGE, headers={"Content-Type": "text/html"}),
        Invalid,
        "text/html instead of JSON",
    ),
    "R2 an empty answer": (Said(raw=b""), Invalid, "instead of JSON"),
    "R3 204": (Said(raw=b"", status=204), Invalid, "204"),
    "R4 301": (Said(status=301, headers={"Location": "http://elsewhere.example/"}), Invalid, "not followed"),
    "R4 302": (Said(status=302, headers={"Location": "http://127.0.0.1:1/"}), Invalid, "not followed"),
    "R5 401": (Said(status=401), Invalid, "credentials"),
    "R6 403": (Said(status=403), Invalid, "credentials"),
    "R7 404": (Said(status=404), Invalid, "404"),
    "R8 410": (Said(status=410), Invalid, "410"),
    "R9 422": (Said(status=422), Invalid, "422"),
    **{
        f"R11 {status}": (Said(raw=PAGE, status=status), TryLater, str(status))
        for status in (500, 502, 503, 504, 520)
    },
    "R16 17 MB": (Said(raw=b"[" + b" " * 17 * 2**20 + b"]"), Invalid, "more than 16 MB"),
    "R17 gzip bomb": (Said(raw=BOMB, headers={"Content-Encoding": "gzip"}), Invalid, "more than 16 MB"),
    "R17 broken gzip": (Said(raw=b"[not gzip]", headers={"Content-Encoding": "gzip"}), Invalid, "unpacked"),
    "R18 promises more than it sends": (Said(raw=b'{"facts": []', length=500), TryLater, "broke off"),
    "R19 a truncated page": (Said(raw=b'{"satisfaction_ratings": [{"id": 1'), Invalid, "not JSON"),
    "J a list": (Said([]), Invalid, "not an object"),
    "J an object": (Said({}), Invalid, "not a list"),
    "J null inside": (
        Said({"facts": None, "satisfaction_ratings": None, "results": None}),
        Invalid,
        "not a list",
    ),
    "J NaN": (Said(raw=b'{"facts": [NaN]}'), Invalid, "not JSON"),
    "J nested": (Said(raw=b"[" * 1000 + b"]" * 1000), Invalid, "nested"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_tool_ends_the_pull_and_says_why(
    pulled: Pulled, http: httpx.Client, fault: str
) -> None:
    said, error, words = FAULTS[fault]
    if pulled.bare and fault == "J a list":
        said, words = Said([[]]), "not an object"  # an empty list is an answer there; a list in it is none
    if pulled.none_is_204 and fault == "R3 204":
        said, words = Said(raw=b"", status=205), "205"  # 204 is an answer there
    with pytest.raises(error, match=words):
        pull_with(pulled, http, said)


RETRY_AFTER = {
    "0": 1.0,
    "17": 17.0,
    "-1": 60.0,
    "1000000000": 60.0,
    "999999999": 3600.0,
    "soon": 60.0,
    "1.5": 60.0,
    "٣": 60.0,
    "Fri, 20 Nov 2026 09:02:00 GMT": 120.0,
    "Fri, 20 Nov 2026 08:00:00 GMT": 1.0,
    "Fri, 20 Nov 2099 09:00:00 GMT": 3600.0,
}


@pytest.mark.parametrize("asked", [None, *RETRY_AFTER])
def test_too_many_requests_is_obeyed_within_bounds(http: httpx.Client, asked: str | None) -> None:
    with DemoTool().running() as tool:
        headers = {"Retry-After": asked.encode().decode("latin-1")} if asked else {}
        with pytest.raises(TryLater) as caught:
            pull_with(demo(tool), http, Said(status=429, headers=headers))
    assert caught.value.seconds == (RETRY_AFTER[asked] if asked else 60.0)


def test_help_scouts_own_waiting_header_is_obeyed(http: httpx.Client) -> None:
    with HelpScoutTool().running() as tool, pytest.raises(TryLater) as caught:
        pull_with(help_scout(tool), http, Said(status=429, headers={"X-RateLimit-Retry-After": "44"}))
    assert caught.value.seconds == 44


def test_what_was_pulled_before_the_limit_is_kept(http: httpx.Client) -> None:
    with ZendeskTool().running() as tool:
        pulled = zendesk(tool)
        for number in range(1, 8):
            pulled.add(number, NOW - timedelta(hours=number))
        tool.misbehaves = lambda asked: Said(status=429) if asked.query.get("page[after]") == "4" else None
        pages: list[Page] = []
        with pytest.raises(TryLater):
            pages.extend(pulled.make().pull(http, None))
        tool.misbehaves = lambda asked: None
        events, _ = pulled.events(http, pages[-1].cursor)
    kept = {event.key for page in pages for event in page.events}
    later = {event.key for event in events}
    assert kept | later == {f"rating/{number}/thanks" for number in range(1, 8)}
    assert len(kept) == 4
    assert not kept & later


def test_a_tool_that_hangs_is_left_after_the_clients_patience() -> None:
    with DemoTool().running() as tool, httpx.Client(timeout=0.2, trust_env=False) as http:
        done = threading.Event()

        def hang(asked: Asked) -> Said | None:
            done.wait(5)
            return None

        tool.misbehaves = hang
        try:
            with pytest.raises(TryLater, match="timed out"):
                demo(tool).events(http)
        finally:
            done.set()


def test_a_tool_that_is_not_there_is_tried_later(http: httpx.Client) -> None:
    with DemoTool().running() as tool:
        pass
    with pytest.raises(TryLater, match="cannot be reached"):
        demo(tool).events(http)


def test_wrong_credentials_of_help_scout_are_named(http: httpx.Client) -> None:
    with HelpScoutTool().running() as tool, pytest.raises(Invalid, match="credentials"):
        help_scout(tool).events(http, app_secret="wrong")


@pytest.mark.parametrize("token", [None, 5, "", "two\nlines", "é"])
def test_a_token_that_is_none_is_refused(http: httpx.Client, token: Any) -> None:
    with HelpScoutTool().running() as tool, pytest.raises(Invalid, match="app_id"):
        pull_with(help_scout(tool), http, Said({"access_token": token}), "/v2/oauth2/token")


@pytest.mark.parametrize(
    ("following", "words"),
    [
        ("http://elsewhere.example/facts", "another host"),
        ("https://127.0.0.1/facts", "another host"),
        ("http://127.0.0.1:1@elsewhere.example/", "another host"),
        ("//elsewhere.example/facts", "another host"),
        ("http://[::1", "not an address"),
        (5, "not an address"),
    ],
)
def test_demo_desk_is_not_followed_to_another_host(http: httpx.Client, following: Any, words: str) -> None:
    with DemoTool().running() as tool, pytest.raises(Invalid, match=words):
        pull_with(demo(tool), http, Said({"facts": [], "next": following}))


def test_demo_desk_in_a_circle_is_noticed(http: httpx.Client) -> None:
    with DemoTool().running() as tool:
        said = [f"{tool.address}/facts?page=a", f"{tool.address}/facts?page=b"]
        tool.misbehaves = lambda asked: (
            Said({"facts": [], "next": said[asked.query.get("page") == "a"]})
            if asked.path == "/facts"
            else None
        )
        with pytest.raises(Invalid, match="circle"):
            demo(tool).events(http)
        assert len(tool.asked) == 4


@pytest.mark.parametrize(
    "page",
    [{"page": 1, "pages": 5}, {"page": 0, "pages": 5}, {"page": "1", "pages": 5}, {"page": True, "pages": 5}],
)
def test_help_scout_pages_that_do_not_count_are_noticed(http: httpx.Client, page: dict[str, Any]) -> None:
    with HelpScoutTool().running() as tool, pytest.raises(Invalid, match=r"circle|number its pages"):
        pull_with(help_scout(tool), http, Said({"results": [], **page}))


def test_credentials_that_no_header_may_have_are_not_shown(http: httpx.Client) -> None:
    with DemoTool().running() as tool, pytest.raises(Invalid, match="credentials") as caught:
        demo(tool).events(http, api_token="hush-hush\n")
    assert "hush" not in str(caught.value)
