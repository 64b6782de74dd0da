"""The words of a text as search compares them: alike in every database, whatever accents, case or width they were typed with.

The databases' own readers of text differ (by version, by the system's locale), and neither finds a word in Chinese, Japanese,
Korean or Thai, which are written without spaces. So we cut the text here; the databases keep and find the words.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 64
"""Letters of a word that count; PostgreSQL takes no word beyond 2 kB."""
MOST_TERMS = 8
"""How many words of a question are asked for."""
MOST_SIGNS = 32
"""How many signs in a row of a script without spaces are asked for as one."""

ACCENTED = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW")
"""Scripts whose marks a searcher leaves out; in the others a mark makes another word."""
STROKES = str.maketrans(
    {"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)
"""Letters that Unicode does not take apart into a letter and its mark."""
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, kana, Han and Hangul: each sign counts as a word, and a word is signs in a row."""


@dataclass(frozen=True)
class Word:
    """One word: how it is compared, and where it stands in the text. `joined`: it goes on what the sign before it began."""

    text: str
    start: int
    end: int
    joined: bool


Term = tuple[str, ...]
"""What is looked for as one: a word, or the signs of a word in a row."""


@lru_cache(maxsize=4096)
def _kind(sign: str) -> str:
    """L: part of a word; A: a word alone; M: a mark that goes on what it stands behind; "": between words."""
    category = unicodedata.category(sign)
    if category[0] == "M":
        return "M"
    if category == "So" or (category[0] in "LN" and UNSPACED.match(sign)):
        return "A"  # pictures, too
    return "L" if category[0] in "LN" else ""


def words(text: str) -> Iterator[Word]:
    """Every word of a text, in its order."""
    start, alone, last_end = -1, False, -1
    for place, kind in enumerate(map(_kind, text)):
        if start >= 0 and kind != "M" and (kind != "L" or alone):
            yield from _word(text, start, place, alone and start == last_end)
            last_end, start = place if alone else -1, -1
        if start < 0 and kind in ("A", "L"):
            start, alone = place, kind == "A"
    if start >= 0:
        yield from _word(text, start, len(text), alone and start == last_end)


def _word(text: str, start: int, end: int, joined: bool) -> Iterator[Word]:
    if folded := fold(text[start:end]):
        yield Word(folded, start, end, joined)


def fold(word: str) -> str:
    """A word without case, width and accents, of letters, digits, marks and pictures only."""
    if word.isascii():
        return word.lower()[:LONGEST]
    kept: list[str] = []
    accented = False
    for sign in unicodedata.normalize("NFD", unicodedata.normalize("NFKC", word).casefold()):
        kind = unicodedata.category(sign)
        if kind[0] == "M":
            if not accented:
                kept.append(sign)
        elif kind[0] in "LN" or kind == "So":
            accented = unicodedata.name(sign, "").startswith(ACCENTED)
            kept.append(sign)
    return unicodedata.normalize("NFC", "".join(kept).translate(STROKES))[:LONGEST]


def folded(text: str) -> str:
    """A whole text as its words, with one space between them: what the databases keep."""
    return " ".join(word.text for word in words(text))


def terms(question: str) -> list[Term]:
    """What somebody who typed this looks for: all of it, the last as the beginning of a word. Signs that mean something to a
    database are none here, so nothing can be wrong with a question.
    """
    found: list[list[str]] = []
    for word in words(question):
        if word.joined and found:
            if len(found[-1]) < MOST_SIGNS:
                found[-1].append(word.text)
        else:
            found.append([word.text])
    return [tuple(one) for one in found[:MOST_TERMS]]


def places(text: str, looked_for: Sequence[Term]) -> list[tuple[int, int]]:
    """Where a text holds what is looked for: (start, end) of each, in order, none over another."""
    of_text = list(words(text))
    found: list[tuple[int, int]] = []
    for at in range(len(of_text)):
        for number, term in enumerate(looked_for):
            run = of_text[at : at + len(term)]
            if _is(run, term, beginning=number == len(looked_for) - 1):
                if found and run[0].start <= found[-1][1]:
                    found[-1] = (found[-1][0], max(found[-1][1], run[-1].end))
                else:
                    found.append((run[0].start, run[-1].end))
    return found


def _is(run: Sequence[Word], term: Term, *, beginning: bool) -> bool:
    if len(run) != len(term) or any(
        word.text != sign for word, sign in zip(run[:-1], term[:-1], strict=True)
    ):
        return False
    return run[-1].text == term[-1] or (beginning and run[-1].text.startswith(term[-1]))


def holds(text: str, term: Term, *, beginning: bool) -> bool:
    """Whether a text holds this term; `beginning`: also as the beginning of a word."""
    of_text = list(words(text))
    return any(_is(of_text[at : at + len(term)], term, beginning=beginning) for at in range(len(of_text)))
