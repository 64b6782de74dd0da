"""Weeks: which one a moment is in, when one ends in a zone, and which are due for closing."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

Clock = Callable[[], datetime]


def now() -> datetime:
    """The present moment, aware, in UTC. The only place that asks the machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, order=True)
class Week:
    """An ISO week, Monday to Monday; sorts by time and prints as "2026-W47"."""

    year: int
    number: int

    def __post_init__(self) -> None:
        date.fromisocalendar(self.year, self.number, 1)  # ValueError for a week that does not exist

    @classmethod
    def parse(cls, text: str) -> "Week":
        """Read "2026-W47"; ValueError for anything else, and for a week that its year does not have."""
        # 1000 to 8999: the weeks beside any of them can be reckoned, too
        match = re.fullmatch(r"([1-8][0-9]{3})-W([0-9]{2})", text)
        if not match:
            raise ValueError(f"{text[:20]!r} is not a week; write it as 2026-W47")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> "Week":
        """The week that holds this calendar day."""
        year, number, _ = day.isocalendar()
        return cls(year, number)

    @property
    def monday(self) -> date:
        return date.fromisocalendar(self.year, self.number, 1)

    @property
    def sunday(self) -> date:
        return self.monday + timedelta(days=6)

    def __add__(self, weeks: int) -> "Week":
        return Week.of(self.monday + timedelta(weeks=weeks))

    def __sub__(self, weeks: int) -> "Week":
        return self + -weeks

    def __str__(self) -> str:
        return f"{self.year:04}-W{self.number:02}"

    @property
    def quarter(self) -> tuple["Week", ...]:
        """The thirteen weeks of its year that it stands among, from the 1st, 14th, 27th or 40th; a 53rd makes fourteen."""
        first = 13 * min((self.number - 1) // 13, 3) + 1
        last = Week.of(date(self.year, 12, 28)).number if first == 40 else first + 12
        return tuple(Week(self.year, number) for number in range(first, last + 1))

    def begins_at(self, zone: str) -> datetime:
        """Monday 00:00 of the zone's own clock, in UTC."""
        return _begins_at(self, zone)

    def ends_at(self, zone: str) -> datetime:
        """The next Monday 00:00 of the zone's own clock, in UTC: the first moment outside the week."""
        return (self + 1).begins_at(zone)


@lru_cache(maxsize=4096)
def _begins_at(week: Week, zone: str) -> datetime:
    return at_local(week.monday, time(0), zone)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA zone name that a person may choose."""
    return frozenset(
        z for z in available_timezones() if "/" in z and not z.startswith(("posix", "right"))
    ) | {"UTC"}


def is_zone(name: str) -> bool:
    """Whether this is the name of a place's zone, as `Europe/Berlin` (not `posixrules`, `localtime`, `UTC+2`)."""
    return name in zone_names()


def at_local(day: date, clock: time, zone: str) -> datetime:
    """The moment when that zone's clocks show this day and time, in UTC.

    A time that a clock change leaves out counts as the first moment after the gap; one that comes twice is its first.
    """
    place = ZoneInfo(zone)
    moment = datetime.combine(day, clock, tzinfo=place).astimezone(UTC)
    shown = moment.astimezone(place).replace(tzinfo=None)
    wanted = datetime.combine(day, clock)
    if shown != wanted:
        # A gap: read with the offset before it (fold=0), the moment lies after it by as much as it was into the gap.
        before = datetime.combine(day, clock, tzinfo=place).utcoffset() or timedelta(0)
        after = datetime.combine(day, clock, tzinfo=place).replace(fold=1).utcoffset() or timedelta(0)
        lower = datetime.combine(day, clock).replace(tzinfo=UTC) - max(before, after)
        upper = datetime.combine(day, clock).replace(tzinfo=UTC) - min(before, after)
        while upper - lower > timedelta(seconds=1):
            middle = lower + (upper - lower) / 2
            if middle.astimezone(place).replace(tzinfo=None) >= wanted:
                upper = middle
            else:
                lower = middle
        moment = upper.replace(microsecond=0)
    return moment


def week_of(moment: datetime, zone: str) -> Week:
    """The week that a moment falls in by that zone's clocks: Monday 00:00 to Monday 00:00, half-open."""
    return Week.of(moment.astimezone(ZoneInfo(zone)).date())


@dataclass(frozen=True)
class Zones:
    """A team's zone, and the one it changes to from a later week on."""

    zone: str
    next_zone: str | None = None
    next_from: Week | None = None

    def of(self, week: Week) -> str:
        """The zone that this week is read in."""
        return self.next_zone if self.next_zone and self.next_from and week >= self.next_from else self.zone

    def begins_at(self, week: Week) -> datetime:
        """A week begins where the week before it ends, also when the zone changes between them."""
        return week.begins_at(self.of(week - 1))

    def ends_at(self, week: Week) -> datetime:
        return week.ends_at(self.of(week))

    def week_of(self, moment: datetime) -> Week:
        """The team's week of a moment; weeks tile time without gap or overlap, whatever the zone does."""
        week = week_of(moment, self.zone)
        if not self.next_zone:
            return week
        week -= 1
        while moment >= self.ends_at(week):
            week = week + 1
        return week


def due(zones: Zones, week: Week, closes: time, days_after: int, moment: datetime) -> bool:
    """Whether an ended week is due for closing: its Monday's `closes` hour has come by the team's own clocks."""
    return moment >= closes_at(zones, week, closes, days_after)


def closes_at(zones: Zones, week: Week, closes: time, days_after: int = 0) -> datetime:
    """When the clock closes this week: `days_after` days after its Monday, at `closes`, never before it ended."""
    day = (week + 1).monday + timedelta(days=days_after)
    return max(at_local(day, closes, zones.of(week)), zones.ends_at(week))


def due_weeks(zones: Zones, first: Week, closes: time, days_after: int, moment: datetime) -> Iterator[Week]:
    """Every week from `first` on that is due at this moment, oldest first."""
    week = first
    while due(zones, week, closes, days_after, moment):
        yield week
        week = week + 1


@lru_cache(maxsize=4096)
def periods(week: Week, day: date) -> tuple[str, str, str, str]:
    """The four periods a points entry counts in: week, month, quarter, year ("2026-W47", "2026-11", "2026-Q4", "2026").

    `day` is the local day when it counts; month, quarter and year follow the day, not the week.
    """
    return str(week), f"{day:%Y-%m}", f"{day.year:04}-Q{(day.month + 2) // 3}", f"{day.year:04}"


def parse_period(text: str) -> str:
    """Check that this names a period ("2026-W47", "2026-11", "2026-Q4" or "2026"); ValueError with the remedy."""
    if re.fullmatch(r"[0-9]{4}-W[0-9]{2}", text):
        return str(Week.parse(text))
    if re.fullmatch(r"[1-8][0-9]{3}(-(0[1-9]|1[0-2])|-Q[1-4])?", text):
        return text
    raise ValueError(f"{text[:20]!r} is not a period; write 2026-W47, 2026-11, 2026-Q4 or 2026")


def period_before(period: str) -> str:
    """The period of the same length just before: what movement is measured against."""
    year = int(period[:4])
    if "W" in period:
        return str(Week.parse(period) - 1)
    if "Q" in period:
        quarter = int(period[6:])
        return f"{year - 1:04}-Q4" if quarter == 1 else f"{year:04}-Q{quarter - 1}"
    if "-" in period:
        month = int(period[5:])
        return f"{year - 1:04}-12" if month == 1 else f"{year:04}-{month - 1:02}"
    return f"{year - 1:04}"
