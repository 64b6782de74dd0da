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

HUDDLES = (
    Prompt(
        N_("Never judge by the shoes"),
        N_("Who surprised you this week, because at first sight you expected somebody else?"),
    ),
    Prompt(
        N_("The shop down the street"),
        N_("When did sending a customer elsewhere serve them better than what we had? What did they say?"),
    ),
    Prompt(
        N_("Yes, we can"),
        N_("Say yes first, then work out how. Which request this week deserved a yes and got a maybe?"),
    ),
    Prompt(
        N_("The challenge we can work through"),
        N_("Which words did you choose instead of “your problem is”? Try one on your neighbour now."),
    ),
    Prompt(
        N_("Take it to the one who may"),
        N_(
            "If you may not decide, who may? Name them, and tell the customer when they will hear. Where was that hard?"
        ),
    ),
    Prompt(
        N_("Finish with this customer first"),
        N_(
            "Attention is the gift. What pulled you away from somebody this week, and what would have kept you?"
        ),
    ),
    Prompt(
        N_("A complaint is a gift"),
        N_(
            "It is a road map of what to mend. Which one shall we mend, and who tells the customer that we did?"
        ),
    ),
    Prompt(
        N_("Promise what you can keep"),
        N_("What, by when, who calls, and when. Which of the four did a promise of this week leave open?"),
    ),
    Prompt(
        N_("By name"),
        N_("Whom did we greet by name, and what did we remember about them from the last time?"),
    ),
    Prompt(
        N_("Cross the aisle"),
        N_("Who outside our team made our work succeed, and whom could we help next week unasked?"),
    ),
    Prompt(
        N_("Know it, share it"),
        N_(
            "What did you learn this week that would have saved a colleague an hour? Write it down where they look."
        ),
    ),
    Prompt(
        N_("Thank them last"),
        N_("How did your last conversation end? A thank-you costs a sentence; which one felt true?"),
    ),
)
"""One for each week's page and announcement, to talk over in the team together with a true story of the week."""


def huddle_of(number: int) -> Prompt:
    """The card that a week carries; any number has one."""
    return HUDDLES[number % len(HUDDLES)]
