"""How names, addresses and the handles made of them are written down: alike, whatever they were typed with."""

import re
import unicodedata

from flask_babel import gettext as _

from leaderboard.plugin import Invalid

MAX_NAME = 120
MAX_EMAIL = 254

UNSEEN = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
"""Categories without a place in a name: controls, halves of characters, unassigned, private, line ends."""
INVISIBLE = set(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060\u2061\u2062\u2063\u2064\u2800\u3164\ufeff\uffa0"
)
"""Letters that show nothing, and marks that turn the direction of what follows."""
TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(text: str, field: str = "name") -> str:
    """A name as it is stored: NFC, one space between words, nothing that cannot be seen. Raises Invalid for an empty one."""
    kept = "".join(
        " " if unicodedata.category(sign) == "Zs" or sign in "\t\r\n" else sign
        for sign in unicodedata.normalize("NFC", text)
        if sign in "\t\r\n"
        or not (unicodedata.category(sign) in UNSEEN or sign in INVISIBLE or sign in TURNING)
    )
    name = " ".join(kept.split())
    if not any(unicodedata.category(sign)[0] in "LNPS" for sign in name):
        raise Invalid(_("Write a name that can be seen."), field)
    if len(name) > MAX_NAME:
        raise Invalid(_("A name has at most %(most)s characters.", most=MAX_NAME), field)
    return name


ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@(?P<host>[^\s@<>()\[\]\\,;:\"/]+)")
LABEL = re.compile(r"[^\W_]([\w-]*[^\W_])?")


def normal_email(text: str, field: str = "email") -> str:
    """An address as it is stored and compared: NFC, lower case. Raises Invalid for what cannot be one."""
    address = unicodedata.normalize("NFC", text.strip()).lower()
    match = ADDRESS.fullmatch(address)
    seen = all(unicodedata.category(sign)[0] in "LMNPS" for sign in address)
    if not (match and seen and len(address) <= MAX_EMAIL and ".." not in address):
        raise Invalid(_("Write an e-mail address, as ana@example.com."), field)
    if not all(LABEL.fullmatch(label) for label in match["host"].split(".")):
        raise Invalid(_("Write an e-mail address, as ana@example.com."), field)
    return address


def slug_of(text: str, otherwise: str) -> str:
    """Lower-case ASCII letters, digits and hyphens that stand for a name in an address; at most 60."""
    ascii_text = (
        unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    )
    return re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:60].strip("-") or otherwise
