"""A picture beside one's name: looked at, stripped of all but the picture, shown to those who are signed in."""

import io
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from werkzeug.test import TestResponse

from leaderboard.database import Database
from leaderboard.people.pictures import MOST_BYTES, examine
from leaderboard.plugin import Invalid
from tests.test_standings import give
from tests.visitor import Visitor
from tests.web.test_browser import DESK, PHONE, address, opened

__all__ = ["address", "opened"]

Client = Callable[[str], Visitor]
SAMPLES = Path(__file__).parent.parent / "pictures"
"""48 by 32 pixels each."""
JPEG, WEBP, LOSSLESS = (
    (SAMPLES / name).read_bytes() for name in ("photo.jpg", "photo.webp", "lossless.webp")
)
SECRET = b"52.5163 N 13.3777 E, Ana's phone"


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int = 48, height: int = 32, *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = zlib.compress((b"\0" + bytes(width)) * height)
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def turned(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG as a phone writes it: with Exif that says which side is up, and where it was taken."""
    entry = struct.pack("<HHII", 0x0112, 3, 1, orientation)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + b"\0\0\0\0" + SECRET
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff + jpeg[2:]


def webp_with(name: bytes, body: bytes) -> bytes:
    """The WebP with a chunk more, as a program writes Exif into it."""
    whole = WEBP[8:] + name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def send(visitor: Visitor, data: bytes) -> TestResponse:
    return visitor.submit("/me/picture", {"picture": (io.BytesIO(data), "me.jpg")}, follow_redirects=True)


def shown(visitor: Visitor, handle: str) -> str | None:
    """The address of the picture on the person's page."""
    found = re.search(r'<img class="avatar avatar-xl" src="([^"]+)"', visitor.get(f"/people/{handle}").text)
    return found[1] if found else None


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(48, 32, chunk(b"tEXt", SECRET), chunk(b"eXIf", SECRET)), "image/png"),
        (turned(JPEG, 1), "image/jpeg"),
        (turned(JPEG, 6), "image/jpeg"),
        (JPEG + SECRET, "image/jpeg"),
        (webp_with(b"EXIF", SECRET), "image/webp"),
        (webp_with(b"XMP ", SECRET), "image/webp"),
        (LOSSLESS, "image/webp"),
    ],
)
def test_what_is_kept_is_the_picture_and_nothing_else(client_of: Client, data: bytes, kind: str) -> None:
    ana, ben = client_of("ana"), client_of("ben")
    assert "Your picture is kept." in send(ana, data).text
    where = shown(ben, "ana")
    assert where is not None
    answer = ben.get(where)
    assert answer.content_type == kind
    assert SECRET not in answer.data
    assert b"ICC" not in answer.data
    assert examine(answer.data) == (kind, answer.data), "what is kept needs no more taking out"


def test_a_picture_is_kept_by_browsers_and_shown_to_nobody_outside(
    client_of: Client, visitor: Visitor, app: Flask
) -> None:
    ana, ben = client_of("ana"), client_of("ben")
    assert shown(ben, "ana") is None
    assert ben.get("/people/ana/picture").status_code == 404
    send(ana, JPEG)
    first = shown(ben, "ana")
    assert first is not None
    answer = ben.get(first)
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" not in ben.get("/people/ana/picture?v=old").headers["Cache-Control"]
    assert visitor.get(first).status_code == 302
    send(ana, png())
    assert shown(ben, "ana") not in (None, first), "another picture has another address"
    ana.submit("/me/picture/remove")
    ana.submit("/me/picture/remove")
    assert shown(ben, "ana") is None
    assert ben.get(first).status_code == 404


def test_a_board_shows_the_picture_and_none_beside_an_alias(client_of: Client, db: Database) -> None:
    give(db, ben=1)
    ana, ben = client_of("ana"), client_of("ben")
    send(ben, JPEG)
    assert 'src="/people/ben/picture?v=' in ana.get("/").text
    ben.submit("/me", {"name": "Ben", "alias": "Quiet Owl", "visibility": "alias", "theme": "", "locale": ""})
    page = ana.get("/").text
    assert "Quiet Owl" in page
    assert "/people/ben/picture" not in page


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "Choose a picture"),
        (b"GIF89a" + bytes(100), "Choose a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "Choose a picture"),
        (png(16, 16), "32 to 4,096 pixels"),
        (png()[:-20], "damaged"),
        (png().replace(b"IDAT", b"IDAX"), "damaged"),
        (JPEG[:-2], "damaged"),
        (b"\xff\xd8\xff\xd9", "damaged"),
        (WEBP[:40], "damaged"),
        (webp_with(b"ANMF", bytes(20)), "damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(MOST_BYTES), "more than 512 KB"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_to_do(client_of: Client, data: bytes, words: str) -> None:
    ana = client_of("ana")
    answer = send(ana, data)
    assert answer.status_code == 200
    assert words in answer.text
    assert shown(ana, "ana") is None


@pytest.mark.parametrize("data", [png(), turned(JPEG, 3), WEBP, LOSSLESS])
def test_a_damaged_picture_is_refused_or_kept_and_never_breaks_us(data: bytes) -> None:
    random = Random(7)
    for _try in range(400):
        broken = bytearray(data)
        for _byte in range(random.randint(1, 4)):
            broken[random.randrange(len(broken))] = random.randrange(256)
        del broken[random.randrange(len(broken) // 2, len(broken) + 1) :]
        try:
            kind, clean = examine(bytes(broken))
        except Invalid:
            continue
        assert examine(clean) == (kind, clean)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_browser_shows_what_was_kept_the_right_way_up(
    client_of: Client, opened: Callable[..., Page]
) -> None:
    for data, size in (
        (png(48, 32, chunk(b"tEXt", SECRET)), [48, 32]),
        (turned(JPEG, 1), [48, 32]),
        (turned(JPEG, 6), [32, 48]),
        (webp_with(b"EXIF", SECRET), [48, 32]),
        (LOSSLESS, [48, 32]),
    ):
        send(client_of("ben"), data)
        page = opened("/people/ben", "ana", viewport=PHONE)
        photo = page.locator("img.avatar-xl")
        expect(photo).to_have_js_property("complete", True)
        assert photo.evaluate("photo => [photo.naturalWidth, photo.naturalHeight]") == size
        assert photo.evaluate("photo => [photo.width, photo.height]") == [80, 80]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_large_picture_is_made_small_before_it_leaves_the_device(
    client_of: Client, opened: Callable[..., Page]
) -> None:
    page = opened("/me", "ben", viewport=PHONE)
    expect(page.get_by_role("button", name="Use this picture"), "groups are lines on a phone").to_be_hidden()
    page.get_by_role("heading", name="Picture").click()
    noise = Random(1).randbytes(1200 * 900)
    rows = b"".join(b"\0" + noise[row * 1200 : (row + 1) * 1200] for row in range(900))
    large = png(1200, 900).replace(
        chunk(b"IDAT", zlib.compress((b"\0" + bytes(1200)) * 900)), chunk(b"IDAT", zlib.compress(rows))
    )
    assert len(large) > MOST_BYTES
    page.get_by_label("Choose a picture").set_input_files(
        {"name": "photo.png", "mimeType": "image/png", "buffer": large}
    )
    expect(page.get_by_role("button", name="Use this picture")).to_be_enabled()
    page.get_by_role("button", name="Use this picture").click()
    expect(page.get_by_text("Your picture is kept.")).to_be_visible()
    photo = page.locator("main img.avatar-xl")
    expect(photo).to_have_js_property("complete", True)
    assert photo.evaluate("photo => photo.naturalWidth") == 384

    page.set_viewport_size(DESK)
    page.reload()
    page.get_by_role("link", name="Time away").click()
    away = page.get_by_label("Away from")
    expect(away, "with room they are open, beside a list of them").to_be_in_viewport()
    page.evaluate("document.querySelectorAll('details.group').forEach(each => { each.open = false })")
    away.evaluate("field => { field.required = true }")
    page.get_by_role("button", name="Keep these settings").click()
    expect(page.locator("#away"), "what is to be mended is never hidden").to_have_attribute("open", "")
