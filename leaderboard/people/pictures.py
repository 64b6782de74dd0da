"""People's pictures: looked at byte by byte, and kept without anything but the picture: no place, no camera, no names.

They are not decoded here. What is kept is rebuilt from the parts that a decoder needs, so that nothing else travels along.
https://www.w3.org/TR/png-3/ · https://www.w3.org/Graphics/JPEG/itu-t81.pdf · https://developers.google.com/speed/webp/docs/riff_container
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from datetime import datetime

from flask_babel import gettext as _
from sqlmodel import Session

from leaderboard.database import beat
from leaderboard.languages import grouped
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, Picture

MOST_BYTES = 512 * 1024
"""It is shown beside every name: pages make it smaller before they send it."""
SIDES = range(32, 4097)
"""How many pixels wide and high."""
PNG = b"\x89PNG\r\n\x1a\n"
NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
FRAMES = {0xC0, 0xC1, 0xC2}
"""JPEG's SOF of the kinds that browsers show: baseline, extended, progressive."""
TABLES = {0xC4, 0xDB, 0xDD}
ADOBE, EXIF, SCAN, END = 0xEE, 0xE1, 0xDA, 0xD9
ORIENTATION = 0x0112


def keep_picture(session: Session, person: Person, data: bytes, now: datetime) -> None:
    """Show this picture beside the person's name. Raises Invalid for what is none, or too large."""
    kind, clean = examine(data)
    session.merge(Picture(person_id=person.id or 0, type=kind, data=clean))
    _show(session, person, hashlib.sha256(clean).hexdigest()[:16], now)


def remove_picture(session: Session, person: Person, now: datetime) -> None:
    """Back to initials. Twice is once."""
    if (row := session.get(Picture, person.id)) is not None:
        session.delete(row)
    _show(session, person, None, now)


def picture_of(session: Session, person: Person) -> Picture | None:
    """The picture as browsers get it."""
    return session.get(Picture, person.id)


def _show(session: Session, person: Person, print_of: str | None, now: datetime) -> None:
    person.picture, person.changed_at = print_of, now
    session.add(person)
    session.flush()
    beat(session)


def examine(data: bytes) -> tuple[str, bytes]:
    """The picture's type and the picture without anything else. Raises Invalid, with what to do."""
    if len(data) > MOST_BYTES:
        raise Invalid(
            _("This picture has more than %(most)s KB. Make it smaller first.", most=MOST_BYTES // 1024),
            "picture",
        )
    try:
        if data.startswith(PNG):
            return "image/png", _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return "image/jpeg", _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return "image/webp", _webp(data)
    except (ValueError, IndexError, struct.error):
        raise Invalid(
            _("This picture is damaged or of an unusual kind. Save it anew and try again."), "picture"
        ) from None
    raise Invalid(_("Choose a picture: JPEG, PNG or WebP."), "picture")


def _measure(width: int, height: int) -> None:
    if width not in SIDES or height not in SIDES:
        raise Invalid(
            _(
                "A picture is %(least)s to %(most)s pixels wide and high.",
                least=SIDES[0],
                most=grouped(SIDES[-1]),
            ),
            "picture",
        )


def _png(data: bytes) -> bytes:
    kept, at = [PNG], len(PNG)
    names: list[bytes] = []
    while not names or names[-1] != b"IEND":
        (size,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        (check,) = struct.unpack_from(">I", data, at + 8 + size)
        if zlib.crc32(name + body) != check or (not names and name != b"IHDR"):
            raise ValueError(name)
        if name in NEEDED:
            kept.append(data[at : at + 12 + size])
            names.append(name)
        at += 12 + size
    if names.count(b"IHDR") != 1 or b"IDAT" not in names:
        raise ValueError(names)
    _measure(*struct.unpack_from(">II", data, 16))
    return b"".join(kept)


def _jpeg(data: bytes) -> bytes:
    kept, turned, frames, scans = [], 1, 0, 0
    for marker, whole, body in _segments(data):
        if marker == EXIF and body.startswith(b"Exif\0\0"):
            turned = _orientation(body[6:])
        if marker in FRAMES:
            height, width = struct.unpack_from(">HH", body, 1)
            _measure(width, height)
            frames += 1
        scans += marker == SCAN
        if marker in FRAMES | TABLES | {SCAN} or (marker == ADOBE and body.startswith(b"Adobe")):
            kept.append(whole)
        elif not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            raise ValueError(marker)
    if frames != 1 or not scans:
        raise ValueError(frames)
    return b"".join([b"\xff\xd8", _exif(turned), *kept, b"\xff\xd9"])


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(marker, the whole segment, its body) up to the end of the picture; a scan's segment has its pixels with it."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError(at)
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes
            at += 1
            continue
        if marker == END:
            return
        (size,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + size
        if size < 2 or end > len(data):
            raise ValueError(size)
        body = data[at + 4 : end]
        if marker == SCAN:
            end = data.index(b"\xff", end)
            while (
                data[end + 1] == 0 or 0xD0 <= data[end + 1] <= 0xD7
            ):  # a pixel's 255, or a place to begin again
                end = data.index(b"\xff", end + 2)
        yield marker, data[at:end], body
        at = end


def _orientation(tiff: bytes) -> int:
    """Which side is up, as the camera says: 1 to 8."""
    try:
        order = {b"II": "<", b"MM": ">"}[tiff[:2]]
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, at)
        for number in range(entries):
            tag, _kind, _count, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * number)
            if tag == ORIENTATION and 1 <= value <= 8:
                return int(value)
    except (KeyError, struct.error):
        pass
    return 1


def _exif(turned: int) -> bytes:
    """All of Exif that stays: which side is up. Nothing where the picture stands already."""
    if turned == 1:
        return b""
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION, 3, 1, turned, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(tiff)) + b"Exif\0\0" + tiff


def _webp(data: bytes) -> bytes:
    (size,) = struct.unpack_from("<I", data, 4)
    kept, at, seen = [], 12, set()
    while at < min(8 + size, len(data)):
        name, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        body = data[at + 8 : at + 8 + length]
        if len(body) != length or name in (b"ANIM", b"ANMF"):
            raise ValueError(name)
        if name in (b"VP8X", b"VP8 ", b"VP8L", b"ALPH"):
            if name in seen:
                raise ValueError(name)
            seen.add(name)
            _measure_webp(name, body)
            if name == b"VP8X":
                body = bytes([body[0] & 0x10]) + body[1:10]  # of its flags only that it may be seen through
            kept.append(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2))
        at += 8 + length + length % 2
    if not seen & {b"VP8 ", b"VP8L"}:
        raise ValueError(seen)
    whole = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def _measure_webp(name: bytes, body: bytes) -> None:
    if name == b"VP8X":
        _measure(1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
    elif name == b"VP8 ":
        if body[3:6] != b"\x9d\x01\x2a":
            raise ValueError(name)
        width, height = struct.unpack_from("<HH", body, 6)
        _measure(width & 0x3FFF, height & 0x3FFF)
    elif name == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        if body[0] != 0x2F:
            raise ValueError(name)
        _measure(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
