"""Weeks in every zone, through every clock change from 2016 to 2036."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import weeks
from leaderboard.weeks import Week, Zones, at_local, closes_at, due_weeks, week_of

FIRST, LAST = Week(2016, 1), Week(2036, 52)
EVERY_WEEK = [FIRST + number for number in range((LAST.monday - FIRST.monday).days // 7 + 1)]
NINE, DAY, MOMENT = time(9), timedelta(days=1), timedelta(microseconds=1)
ZONES = sorted(weeks.zone_names())

moments = st.integers(0, 20 * 366 * 86_400).map(
    lambda s: datetime(2016, 1, 4, tzinfo=UTC) + timedelta(seconds=s)
)
week_numbers = st.integers(0, len(EVERY_WEEK) - 1).map(EVERY_WEEK.__getitem__)
zones = st.sampled_from(ZONES)


def test_a_week_reads_and_prints_the_same_way() -> None:
    assert str(Week.parse("2026-W47")) == "2026-W47"
    assert Week.parse("2026-W53").sunday == date(2027, 1, 3)


@pytest.mark.parametrize(
    "text",
    [
        "2025-W53",
        "2026-W00",
        "2026-W54",
        "2026-47",
        "2026-W7",
        "٢٠٢٦-W47",
        "2026-W47\n",
        " 2026-W47",
        "0000-W01",
        "",
    ],
)
def test_what_is_no_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Week.parse(text)


def test_the_53rd_week_belongs_to_its_own_year() -> None:
    assert Week(2026, 53) + 1 == Week(2027, 1)
    assert week_of(datetime(2027, 1, 3, 12, tzinfo=UTC), "UTC") == Week(2026, 53)
    assert [week for week in EVERY_WEEK if week.number == 53] == [
        Week(2020, 53),
        Week(2026, 53),
        Week(2032, 53),
    ]


def unlike_zones() -> list[str]:
    """One zone for each way that Mondays' clocks went: most of the 600 names share theirs with another."""
    mondays = [datetime.combine(week.monday, clock) for week in EVERY_WEEK for clock in (time(0), NINE)]
    mondays += [moment.replace(fold=1) for moment in mondays]
    found = {}
    for zone in ZONES:
        place = ZoneInfo(zone)
        found.setdefault(tuple(place.utcoffset(moment) for moment in mondays), zone)
    return list(found.values())


def test_every_team_and_week_is_due_exactly_once_in_every_zone_through_every_clock_change() -> None:
    """The 1,096 weeks of 20 years: they join without gap or overlap, end as Sunday does, and close once each, in order."""
    assert len(ZONES) > 400
    for zone in unlike_zones():
        place, team = ZoneInfo(zone), Zones(zone)
        begins = [week.begins_at(zone) for week in EVERY_WEEK]
        closes = [closes_at(team, week, NINE) for week in EVERY_WEEK]
        for number, week in enumerate(EVERY_WEEK[:-1]):
            where = f"{zone} {week}"
            assert begins[number].astimezone(place).date() >= week.monday, where
            assert (begins[number] - MOMENT).astimezone(place).date() < week.monday, where
            assert begins[number] < begins[number + 1] <= closes[number] < begins[number + 1] + DAY, where
        for number in range(0, len(EVERY_WEEK) - 1, 13):
            week = EVERY_WEEK[number]
            assert (week_of(begins[number], zone), week_of(begins[number] - MOMENT, zone)) == (week, week - 1)
            assert list(due_weeks(team, week, NINE, 0, closes[number])) == [week], f"{zone} {week}"
            assert list(due_weeks(team, week, NINE, 0, closes[number] - MOMENT)) == [], f"{zone} {week}"


def test_what_is_due_is_every_ended_week_whose_hour_has_come_oldest_first() -> None:
    team = Zones("Europe/Berlin")
    before = datetime(2026, 11, 23, 7, 59, 59, tzinfo=UTC)
    assert list(due_weeks(team, Week(2026, 45), NINE, 0, before)) == [Week(2026, 45), Week(2026, 46)]
    on_time = datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert list(due_weeks(team, Week(2026, 45), NINE, 0, on_time))[-1] == Week(2026, 47)


def test_an_hour_left_out_by_the_clocks_is_the_first_moment_after_the_gap() -> None:
    assert at_local(date(2026, 3, 29), time(2, 30), "Europe/Berlin") == datetime(2026, 3, 29, 1, tzinfo=UTC)
    # Beirut's clocks go from 00:00 to 01:00, so the day has no midnight
    assert at_local(date(2026, 3, 29), time(0), "Asia/Beirut") == datetime(2026, 3, 28, 22, tzinfo=UTC)


def test_an_hour_that_comes_twice_is_its_first() -> None:
    assert at_local(date(2026, 10, 25), time(2, 30), "Europe/Berlin") == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )


def test_the_day_that_apia_left_out_is_no_moment_of_its_own() -> None:
    """Samoa went from the end of Thursday 29 December 2011 to Saturday the 31st."""
    skipped = at_local(date(2011, 12, 30), time(12), "Pacific/Apia")
    assert skipped == at_local(date(2011, 12, 31), time(0), "Pacific/Apia")
    week = Week(2011, 52)
    assert week.ends_at("Pacific/Apia") - week.begins_at("Pacific/Apia") == timedelta(days=6)
    for zone in ("Pacific/Apia", "Pacific/Fakaofo"):
        assert week_of(skipped, zone) == week


def test_a_team_that_changes_its_zone_has_no_moment_twice_and_none_left_out() -> None:
    """Also across the date line, both ways, where a week is a day longer or shorter."""
    for old, new in (
        ("Europe/Berlin", "America/New_York"),
        ("Pacific/Kiritimati", "Pacific/Niue"),
        ("Pacific/Niue", "Pacific/Kiritimati"),
    ):
        team = Zones(old, new, Week(2026, 48))
        for week in (Week(2026, 46) + number for number in range(5)):
            assert team.ends_at(week) == team.begins_at(week + 1)
            assert team.begins_at(week) < team.ends_at(week)
            assert team.week_of(team.begins_at(week)) == week
            assert team.week_of(team.ends_at(week) - timedelta(microseconds=1)) == week
        assert team.begins_at(Week(2026, 47)) == Week(2026, 47).begins_at(old)
        assert team.ends_at(Week(2026, 48)) == Week(2026, 48).ends_at(new)


@given(moments, zones)
def test_a_moment_is_inside_the_week_it_is_said_to_be_in(moment: datetime, zone: str) -> None:
    week = week_of(moment, zone)
    assert week.begins_at(zone) <= moment < week.ends_at(zone)


@given(moments, zones, zones, week_numbers)
def test_a_moment_is_in_exactly_one_week_of_a_team_whatever_its_zone_does(
    moment: datetime, old: str, new: str, change: Week
) -> None:
    team = Zones(old, new, change)
    week = team.week_of(moment)
    assert team.begins_at(week) <= moment < team.ends_at(week)
    assert not team.begins_at(week - 1) <= moment < team.ends_at(week - 1)
    assert not team.begins_at(week + 1) <= moment < team.ends_at(week + 1)


@given(zones, week_numbers, st.times().map(lambda clock: clock.replace(second=0, microsecond=0)))
def test_a_closing_hour_never_comes_before_the_week_has_ended(zone: str, week: Week, clock: time) -> None:
    team = Zones(zone)
    closes = closes_at(team, week, clock)
    assert closes >= team.ends_at(week)
    assert week in list(due_weeks(team, week, clock, 0, closes))
    assert list(due_weeks(team, week, clock, 0, team.ends_at(week) - timedelta(seconds=1))) == []


def test_a_zone_is_a_place_and_not_a_rule_or_an_offset() -> None:
    for name in ("Europe/Berlin", "America/Argentina/Buenos_Aires", "UTC"):
        assert weeks.is_zone(name)
    for name in ("posix/Europe/Berlin", "localtime", "UTC+2", "CEST", "../etc/passwd", "Europe", ""):
        assert not weeks.is_zone(name)
    assert set(ZONES) <= available_timezones()


@pytest.mark.parametrize(
    ("period", "before"),
    [
        ("2026-W01", "2025-W52"),
        ("2027-W01", "2026-W53"),
        ("2026-01", "2025-12"),
        ("2026-11", "2026-10"),
        ("2026-Q1", "2025-Q4"),
        ("2026-Q3", "2026-Q2"),
        ("2026", "2025"),
    ],
)
def test_the_period_before_has_the_same_length(period: str, before: str) -> None:
    assert weeks.period_before(weeks.parse_period(period)) == before


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-Q5", "2026-W54", "26", "0000", "2026-00", "2026-W47 ", "week"]
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|week"):
        weeks.parse_period(text)


def test_month_and_quarter_follow_the_day_and_not_the_week() -> None:
    assert weeks.periods(Week(2026, 53), date(2027, 1, 1)) == ("2026-W53", "2027-01", "2027-Q1", "2027")
