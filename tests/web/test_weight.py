"""What a browser must fetch before a page looks and works as meant: compressed, and no more than a phone likes."""

import re

import pytest

from tests.test_tree import ROOT
from tests.web.test_accessibility import is_page
from tests.web.world import World, world

__all__ = ["world"]
MOST = 80_000
"""Bytes of compressed script and style that a page may ask for."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_page_asks_for_more_than_80_kb_of_script_and_style(world: World) -> None:
    weights: dict[str, int] = {}
    seen = 0
    for path in (path for _rule, path in world.routes("GET") if is_page(path)):
        page = world.get("ada", path)
        if page.mimetype != "text/html":
            continue
        seen += 1
        asked = re.findall(r'<(?:script|link rel="stylesheet")[^>]* (?:src|href)="([^"]+)"', page.text)
        for address in asked:
            if address not in weights:
                answer = world.get(None, address, headers={"Accept-Encoding": "gzip"})
                assert answer.status_code == 200, address
                assert answer.headers.get("Content-Encoding") == "gzip" or len(answer.data) < 500, address
                weights[address] = len(answer.data)
                answer.close()
        assert sum(weights[address] for address in asked) <= MOST, (path, weights)
    assert seen > 30
    assert len(weights) > 5


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_page_has_a_class_or_element_that_was_cut_out_of_tabler(world: World) -> None:
    """hatch_build.py keeps what our files name; a name put together in a template would be missed."""
    whole = names((ROOT / "node_modules/@tabler/core/dist/css/tabler.min.css").read_text("utf-8"))
    kept = names((ROOT / "leaderboard/web/static/vendor/tabler.min.css").read_text("utf-8"))
    assert len(kept) < len(whole) / 4
    shown: set[str] = set()
    for path in (path for _rule, path in world.routes("GET") if is_page(path)):
        page = world.get("ada", path)
        if page.mimetype == "text/html":
            shown |= {
                f".{name}" for found in re.findall(r'class="([^"]*)"', page.text) for name in found.split()
            }
    assert {".btn", ".avatar"} <= shown
    assert (shown & whole) - kept == set()


def names(css: str) -> set[str]:
    """The classes that a style sheet has rules for."""
    selectors = re.findall(r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))
    return {name for selector in selectors for name in re.findall(r"\.-?[A-Za-z_][\w-]*", selector)}


@pytest.mark.parametrize("asked", ["gzip", "br", "zstd", "gzip, deflate, br, zstd"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_pages_come_compressed_and_still_answer_304(world: World, asked: str) -> None:
    headers, ana = {"Accept-Encoding": asked}, world.visitor("ana")
    page = ana.get("/", headers=headers)
    assert page.headers["Content-Encoding"] in asked
    assert {"Cookie", "Accept-Encoding"} <= {name.strip() for name in page.headers["Vary"].split(",")}
    again = ana.get("/", headers=headers | {"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_asks_for_no_compression_gets_none(world: World) -> None:
    for headers in ({}, {"Accept-Encoding": "identity"}, {"Accept-Encoding": "nonsense;q=x"}):
        assert "Content-Encoding" not in world.get("ana", "/", headers=headers).headers
