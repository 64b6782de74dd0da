"""On a phone's screen: the browser offers to install it, and its icons and shortcuts are what they say."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright

from leaderboard.plugin.reading import decode_json
from leaderboard.web.pages import STATIC
from tests.visitor import Visitor
from tests.web.test_browser import address

__all__ = ["address"]
MANIFEST: Any = decode_json((STATIC / "manifest.webmanifest").read_bytes())
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
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
        assert read["url"].startswith(f"{address}/static/manifest.webmanifest")
        assert chromium.send("Page.getInstallabilityErrors") == {"installabilityErrors": []}
    finally:
        context.close()


def test_its_icons_have_the_sizes_that_it_says_one_for_masks_among_them() -> None:
    icons = [*MANIFEST["icons"], *(icon for shortcut in MANIFEST["shortcuts"] for icon in shortcut["icons"])]
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in icons}
    assert [icon["sizes"] for icon in icons if icon.get("purpose") == "maskable"] == ["512x512"]
    for icon in icons:
        file = (STATIC / icon["src"]).read_bytes()
        if icon["type"] == "image/png":
            assert file.startswith(PNG)
            width, height = struct.unpack(">II", file[16:24])
            assert f"{width}x{height}" == icon["sizes"], icon["src"]


def test_its_start_and_its_shortcuts_lead_to_pages(client_of: Callable[[str], Visitor]) -> None:
    ana = client_of("ana")
    for path in (MANIFEST["start_url"], *(shortcut["url"] for shortcut in MANIFEST["shortcuts"])):
        assert ana.get(path, follow_redirects=True).status_code == 200
    assert ana.get("/me/page", follow_redirects=True).request.path == "/people/ana"
