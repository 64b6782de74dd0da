"""The five guidelines that every story, thanks and promise shows one of; LAST; the four rights of a customer."""

from dataclasses import dataclass


def gettext_later(text: str) -> str:
    """Mark a text for translation here; it is translated where it is shown."""
    return text


N_ = gettext_later


@dataclass(frozen=True)
class Guideline:
    """One of the five: `slug` in addresses, the API and the database; `name` and `meaning` for people; a Tabler `icon`."""

    slug: str
    name: str
    meaning: str
    icon: str


@dataclass(frozen=True)
class Prompt:
    """One step of LAST, with the question that helps a nominator to tell the story."""

    name: str
    question: str


GUIDELINES = (
    Guideline(
        "positive-energy", N_("Positive energy"), N_("They lifted the mood and made the day lighter."), "sun"
    ),
    Guideline(
        "courtesy-and-respect",
        N_("Courtesy and respect"),
        N_("They listened, chose their words with care and took someone seriously."),
        "heart-handshake",
    ),
    Guideline(
        "above-and-beyond",
        N_("Above and beyond"),
        N_("They did more than anyone could have asked for."),
        "rocket",
    ),
    Guideline(
        "relationships",
        N_("Relationships"),
        N_("They made a customer feel known, important and welcome back."),
        "users",
    ),
    Guideline("team-player", N_("Team player"), N_("They made a colleague's work succeed."), "puzzle"),
)

BY_SLUG = {guideline.slug: guideline for guideline in GUIDELINES}

LAST = (
    Prompt(N_("Listen"), N_("What did they listen for, or notice, that others would have missed?")),
    Prompt(N_("Apologize"), N_("If something had gone wrong, how did they take it on?")),
    Prompt(N_("Solve"), N_("What exactly did they do, and for whom?")),
    Prompt(N_("Thank"), N_("How did it end? What did the customer or colleague say?")),
)

RIGHTS = (
    N_("A customer may expect that we know what they expect, and exceed it."),
    N_("A customer may expect enthusiasm."),
    N_(
        "A customer may expect a relationship: a warm response, to feel important, to be listened to, to be known."
    ),
    N_("A customer may expect words chosen with care."),
)

# Which guideline a fact shows when nobody chose one. A recovery is more than anyone could ask for; a kept promise is respect.
OF_KIND = {
    "thanks.received": "relationships",
    "rating.good": "relationships",
    "rating.recovered": "above-and-beyond",
    "promise.kept": "courtesy-and-respect",
    "help.given": "team-player",
    "knowledge.shared": "team-player",
}
