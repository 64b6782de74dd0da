"""On a phone's screen: the browser offers to install it, and its icons and shortcuts are what they say."""

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Playwright

from leaderboard.database import Database
from leaderboard.plugin.reading import decode_json
from leaderboard.web.pages import STATIC
from tests.make import Company
from tests.visitor import Visitor
from tests.web.test_browser import address
from tests.web.test_home import change

__all__ = ["address"]
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PNG = b"\x89PNG\r\n\x1a\n"


@sqlite
def test_chromium_finds_nothing_that_keeps_it_from_being_installed(
    playwright: Playwright, browser_type_launch_args: dict[str, Any], address: str, tmp_path: Path
) -> None:
    """In a profile of its own: in a private window, which other tests use, nothing can be installed."""
    context = playwright.chromium.launch_persistent_context(tmp_path / "profile", **browser_type_launch_args)
    try:
        page = context.new_page()
        page.goto(f"{address}/sign-in")
        chromium = context.new_cdp_session(page)
        read = chromium.send("Page.getAppManifest")
        assert read["errors"] == []
        assert read["url"].startswith(f"{address}/manifest.webmanifest?lang=en")
        assert chromium.send("Page.getInstallabilityErrors") == {"installabilityErrors": []}
    finally:
        context.close()


def linked(app: Flask, page: str) -> Any:
    """The manifest as a browser asks for it: by the address in the page, without a cookie."""
    address = re.search(r'<link rel="manifest" href="([^"]+)">', page)
    assert address
    answer = app.test_client().get(address[1])
    assert answer.mimetype == "application/manifest+json"
    return decode_json(answer.data)


@pytest.fixture
def manifest(app: Flask, client_of: Callable[[str], Visitor]) -> Any:
    return linked(app, client_of("ana").get("/").text)


@sqlite
def test_it_speaks_the_language_of_the_page_that_links_it(
    app: Flask, db: Database, company: Company, client_of: Callable[[str], Visitor], manifest: Any
) -> None:
    change(db, company, "ana", locale="de")
    german = linked(app, client_of("ana").get("/").text)
    for said, words in (
        (manifest, ("en", "Tell a story", "My page")),
        (german, ("de", "Eine Geschichte erzählen", "Meine Seite")),
    ):
        assert (said["lang"], *(shortcut["name"] for shortcut in said["shortcuts"])) == words
    assert manifest["id"] == german["id"]
    assert manifest["description"] != german["description"]
    assert app.test_client().get("/manifest.webmanifest?lang=xx").get_json()["lang"] == "en"


@sqlite
def test_its_icons_have_the_sizes_that_it_says_one_for_masks_among_them(manifest: Any) -> None:
    icons = [*manifest["icons"], *(icon for shortcut in manifest["shortcuts"] for icon in shortcut["icons"])]
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in icons}
    assert [icon["sizes"] for icon in icons if icon.get("purpose") == "maskable"] == ["512x512"]
    for icon in icons:
        file = (STATIC / Path(urlsplit(icon["src"]).path).name).read_bytes()
        if icon["type"] == "image/png":
            assert file.startswith(PNG)
            width, height = struct.unpack(">II", file[16:24])
            assert f"{width}x{height}" == icon["sizes"], icon["src"]


@sqlite
def test_its_start_and_its_shortcuts_lead_to_pages(
    client_of: Callable[[str], Visitor], manifest: Any
) -> None:
    ana = client_of("ana")
    for path in (manifest["start_url"], *(shortcut["url"] for shortcut in manifest["shortcuts"])):
        assert ana.get(path, follow_redirects=True).status_code == 200
    assert ana.get("/me/page", follow_redirects=True).request.path == "/people/ana"
