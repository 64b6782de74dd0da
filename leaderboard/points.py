"""What a fact earns, and why: the rules' numbers and the pure function from a person's facts to points.

Two steps, so that the order of arrival never matters. The giver's side of a story is decided when it is told and comes
here as a share. The receiver's side is `Fold`: a person's facts of one week, ordered by (occurred_at, source, key), each
earning what the earlier ones left open. In every group that earns once (a rating, a customer on a ticket) a later, higher
fact earns the difference to what the group has earned, so the group ends at its highest.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Limit

from leaderboard.guidelines import N_

Witness = Literal["colleague", "customer", "promise", "work"]

WITNESS_OF: dict[str, Witness] = {
    "story.accepted": "colleague",
    "story.cosigned": "colleague",
    "thanks.received": "customer",
    "rating.good": "customer",
    "rating.recovered": "customer",
    "promise.kept": "promise",
    "help.given": "work",
    "knowledge.shared": "work",
}
"""Who vouches for each kind that can earn. Kinds that are not here are context and earn nothing."""

WHY = {
    "full": N_("Counts in full."),
    "shared": N_("Shared equally among the people in the story."),
    "second_in_30_days": N_("The second story from this colleague about this person in 30 days counts half."),
    "third_in_30_days": N_(
        "From the third story about the same person in 30 days on, a colleague's stories count 0."
    ),
    "return": N_("It answers a story in the other direction within 7 days, so it counts half."),
    "allowance_used": N_(
        "The nominator's scoring stories for the week were used up; the story is just as welcome."
    ),
    "same_text": N_("The same words were told before; it joins the first story at 0 points."),
    "cosigns_full": N_("The story has as many scoring co-signs as count."),
    "own_act": N_("Nobody earns by their own act."),
    "staff_customer": N_(
        "The thanks come from a colleague's address; a colleague's thanks are told as a story."
    ),
    "cap_witness": N_("Cap reached: the week's points from this kind of witness."),
    "cap_week": N_("Cap reached: the week's points in all."),
    "earned_before": N_("This rating or thanks earned before; it counts once, at its highest."),
    "customer_week": N_("Cap reached: thanks from one customer in one week."),
    "promise_late_made": N_("The promise was not on record long enough before it was due."),
    "promise_late_kept": N_("The promise was kept after it was due."),
    "promise_ticket_day": N_("Cap reached: one scored promise per ticket and day."),
    "promise_day": N_("Cap reached: scored promises in one day."),
    "moved": N_("It belongs to somebody else, or to the same person under one name: it counts there."),
    "withdrawn": N_("Taken back; its points are reversed."),
    "corrected": N_("Corrected, because another fact about the same matter changed what this one counts."),
}
"""Every reason an entry can carry, as people read it."""


class Points(BaseModel):
    """What each kind earns, in points."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    story_accepted: int = Limit(10, ge=0, le=1000, strict=True)
    story_cosigned: int = Limit(1, ge=0, le=1000, strict=True)
    thanks_received: int = Limit(8, ge=0, le=1000, strict=True)
    rating_good: int = Limit(2, ge=0, le=1000, strict=True)
    rating_recovered: int = Limit(12, ge=0, le=1000, strict=True)
    promise_kept: int = Limit(5, ge=0, le=1000, strict=True)
    help_given: int = Limit(3, ge=0, le=1000, strict=True)
    knowledge_shared: int = Limit(4, ge=0, le=1000, strict=True)

    def of(self, kind: str) -> int:
        """What this kind earns; 0 for context kinds."""
        return int(getattr(self, kind.replace(".", "_"), 0))


class FairPlay(BaseModel):
    """The limits of fair play; the numbers in the comments are the rules of docs/fair-play.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowance_per_week: int = Limit(5, ge=0, le=1000, strict=True)  # 2
    repeat_days: int = Limit(30, ge=0, le=366, strict=True)  # 3
    second_story_percent: int = Limit(50, ge=0, le=100, strict=True)
    later_story_percent: int = Limit(0, ge=0, le=100, strict=True)
    return_days: int = Limit(7, ge=0, le=366, strict=True)  # 4
    return_percent: int = Limit(50, ge=0, le=100, strict=True)
    story_min: int = Limit(80, ge=1, le=2000, strict=True)  # 5
    story_max: int = Limit(2000, ge=100, le=10_000, strict=True)
    same_text_percent: int = Limit(90, ge=50, le=100, strict=True)
    same_text_days: int = Limit(30, ge=0, le=366, strict=True)
    nominees_per_story: int = Limit(8, ge=1, le=50, strict=True)
    cosigns_per_story: int = Limit(5, ge=0, le=1000, strict=True)
    nominations_per_10_minutes: int = Limit(3, ge=1, le=1000, strict=True)  # 6
    thanks_per_customer_and_week: int = Limit(2, ge=1, le=1000, strict=True)  # 7
    promise_lead_minutes: int = Limit(30, ge=0, le=10_080, strict=True)  # 8
    promises_per_ticket_and_day: int = Limit(1, ge=1, le=1000, strict=True)
    promises_per_day: int = Limit(3, ge=1, le=1000, strict=True)
    points_per_witness_and_week: int = Limit(60, ge=1, le=100_000, strict=True)  # 9
    points_per_week: int = Limit(120, ge=1, le=100_000, strict=True)
    ratios_from: int = Limit(5, ge=1, le=1000, strict=True)  # 10
    winner_witnesses: int = Limit(2, ge=1, le=100, strict=True)  # 11
    winner_gap_weeks: int = Limit(4, ge=0, le=52, strict=True)
    newcomer_days: int = Limit(14, ge=0, le=366, strict=True)  # 12


@dataclass(frozen=True)
class Rules:
    """One version of the numbers."""

    version: int = 1
    points: Points = field(default_factory=Points)
    fair_play: FairPlay = field(default_factory=FairPlay)

    @cached_property
    def worth(self) -> Mapping[str, int]:
        """What each kind earns that can earn."""
        return {kind: self.points.of(kind) for kind in WITNESS_OF}


def part(points: int, percent: int) -> int:
    """A factor of points: rounds down, at least 1 unless it is 0."""
    return 0 if points <= 0 or percent <= 0 else max(1, points * percent // 100)


def share(points: int, people: int) -> int:
    """One of `people` equal shares: rounds down, at least 1 unless it is 0."""
    return 0 if points <= 0 else max(1, points // people)


class Fact(NamedTuple):
    """A credit as the fold sees it; a tuple, because a rebuild makes one for every line of the ledger.

    `worth` is what it earns before the receiver's limits, `full` what it would earn without any; `groups` are what earns once,
    together; `denied` is a reason that makes it 0 outright.
    """

    key: str
    kind: str
    worth: int
    full: int
    why: str
    groups: tuple[str, ...]
    customer: str | None
    day: date | None
    ticket: str | None
    denied: str | None


class Outcome(NamedTuple):
    """What a fact earns as things stand, and why."""

    points: int
    full: int
    why: str
    kind: str


# A rebuild makes one of each for every line of the ledger, and their own way to be made takes twice as long.
fact_from: Callable[[tuple[Any, ...]], Fact] = partial(tuple.__new__, Fact)
_outcome_from: Callable[[tuple[int, int, str, str]], Outcome] = partial(tuple.__new__, Outcome)


@dataclass
class Fold:
    """A person's week while its facts are counted, in order.

    The dictionaries start with what earlier weeks (or earlier facts of this one) used up: `earned` by group, over all weeks;
    the rest for this week only.
    """

    rules: Rules
    earned: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    witness: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    customer_groups: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    promises: dict[tuple[date | None, str | None], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, fact: Fact) -> Outcome:
        """Count the next fact and say what it earns."""
        _, kind, points, full, why, groups, customer, day, ticket, denied = fact
        if denied:
            return Outcome(0, full, denied, kind)
        fair, witness = self.rules.fair_play, WITNESS_OF[kind]
        before = 0
        for group in groups:
            earned = self.earned.get(group, 0)
            if earned > before:
                before = earned
        if before and points:
            points, why = max(0, points - before), "earned_before"
        if customer and points and witness == "customer":
            thanked = self.customer_groups[customer]
            if len(thanked) >= fair.thanks_per_customer_and_week and _leader(fact) not in thanked:
                points, why = 0, "customer_week"
        if points and kind == "promise.kept":
            if ticket and self.promises[day, ticket] >= fair.promises_per_ticket_and_day:
                points, why = 0, "promise_ticket_day"
            elif self.promises[day, None] >= fair.promises_per_day:
                points, why = 0, "promise_day"
        left = fair.points_per_witness_and_week - self.witness[witness]
        if points > left:
            points, why = max(0, left), "cap_witness"
        left = fair.points_per_week - sum(self.witness.values())
        if points > left:
            points, why = max(0, left), "cap_week"
        if points:
            self.keep(fact, points)
        return _outcome_from((points, full, why, kind))

    def keep(self, fact: Fact, points: int) -> None:
        """Remember what a fact earned; also for facts of a closed week, whose points are given."""
        if not points:
            return
        _, kind, _, _, _, groups, customer, day, ticket, _ = fact
        witness = WITNESS_OF[kind]
        self.witness[witness] += points
        for group in groups:
            self.earned[group] += points
        if customer and witness == "customer":
            self.customer_groups[customer].add(_leader(fact))
        if kind == "promise.kept":
            self.promises[day, None] += 1
            if ticket:
                self.promises[day, ticket] += 1


def _leader(fact: Fact) -> str:
    """What a customer's thanks are counted by: the widest of what earns once together, or the fact alone."""
    return fact.groups[-1] if fact.groups else fact.key


def rules_from(version: int, points: Mapping[str, Any], fair_play: Mapping[str, Any]) -> Rules:
    """The rules of a stored version; a number that an older version did not have takes its default."""
    return Rules(version, Points(**points), FairPlay(**fair_play))
