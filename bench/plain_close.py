"""Closing a team's week by the database alone: the fewest statements that store what we store, through the bare driver.

The same rows of the same tables: the closed week with its numbers, the winners with reason and words, the pulse. It knows just
what the benchmark's ledger has: no stories, short texts, English.
"""

import re
from datetime import timedelta
from typing import Any

from leaderboard.database import Database
from leaderboard.guidelines import GUIDELINES
from leaderboard.plugin import decode_json
from leaderboard.recognition import CATEGORIES
from leaderboard.weeks import Week

LINES = """
    SELECT e.person_id, e.guideline, e.kind, e.points, e.event_id,
        CASE WHEN e.why IN ('own_act', 'staff_customer', 'promise_unconfirmed', 'promise_late_made', 'promise_late_kept')
                OR v.giver_id = e.person_id THEN NULL
            WHEN v.giver_id IS NOT NULL THEN 'person/' || v.giver_id
            WHEN v.customer_key <> '' THEN 'customer/' || v.customer_key
            WHEN v.giver <> '' THEN v.source || '/' || v.giver END AS witness,
        CASE WHEN v.text <> '' THEN (e.points + 1) * 1099511627776 - v.id
            + CASE WHEN e.kind = 'story.accepted' THEN 1152921504606846976 ELSE 0 END END AS telling,
        e.kind IN ('story.accepted', 'story.cosigned', 'help.given') AND giver.team_id <> :team AS crossing
    FROM points_entry e JOIN credit c ON c.id = e.credit_id AND c.entry_id = e.id JOIN event v ON v.id = e.event_id
        LEFT JOIN person giver ON giver.id = v.giver_id
    WHERE e.team_id = :team AND e.week = :week AND c.withdrawn_by IS NULL
"""
TALE = "person_id, sum(points) AS points, count(DISTINCT witness) AS witnesses, max(telling) AS telling FROM line"
ENOUGH = "HAVING sum(points) > 0 AND count(DISTINCT witness) >= 2"
BOARDS, LISTS = (
    ", ".join(
        f"'{one}', coalesce((SELECT json(found) FROM {table} WHERE slug = '{one}'), json_array())"
        for one in slugs
    )
    for table, slugs in (("board", ("", *(one.slug for one in GUIDELINES))), ("category", CATEGORIES))
)
# One reading of the lines for everything: a CTE that SQLite does not materialise is read again at each use.
CLOSE = f"""
    INSERT INTO closed_week (
        team_id, week, closed_at, last_event_id, last_entry_id, opening, huddle, autopilot, numbers)
    WITH place AS MATERIALIZED (
        SELECT guideline AS slug, rank() OVER (PARTITION BY guideline ORDER BY points DESC) AS rank, person_id, points, uid,
            CASE WHEN visibility <> 'alias' THEN name WHEN alias <> '' THEN alias ELSE '?' END AS name
        FROM score JOIN person ON person.id = person_id
        WHERE score.team_id = :team AND period = :week AND points > 0 AND active AND NOT bot AND merged_into_id IS NULL
            AND visibility IN ('on', 'alias', 'team') AND (away_from IS NULL OR away_from > :day OR away_until < :day)
            AND (joined_on IS NULL OR joined_on <= :newest)
    ), board AS MATERIALIZED (
        SELECT slug, json_group_array(json_object('rank', rank, 'person', uid, 'name', name, 'points', points)
            ORDER BY points DESC, person_id DESC) AS found
        FROM place GROUP BY slug
    ), line AS MATERIALIZED ({LINES}), tale AS (
        SELECT guideline AS slug, {TALE} GROUP BY guideline, person_id {ENOUGH}
        UNION ALL SELECT 'crossed-the-aisle', {TALE} WHERE crossing GROUP BY person_id {ENOUGH}
    ), candidate AS (
        SELECT tale.slug, tale.person_id, tale.points, tale.witnesses, uid, name, text,
            rank() OVER (PARTITION BY tale.slug ORDER BY tale.points DESC) AS rank,
            row_number() OVER (PARTITION BY tale.slug ORDER BY tale.points DESC, tale.person_id) AS number
        FROM tale JOIN place ON place.person_id = tale.person_id AND place.slug = ''
            LEFT JOIN event ON event.id = 1099511627776 - telling % 1099511627776
        WHERE NOT EXISTS (
            SELECT 1 FROM recognition r JOIN closed_week w ON w.id = r.closed_week_id
            WHERE r.person_id = tale.person_id AND r.category = tale.slug AND w.week IN (:one, :two, :three)
                AND r.dropped_at IS NULL)
    ), category AS MATERIALIZED (
        SELECT slug, json_group_array(json_object('person', uid, 'points', points, 'witnesses', witnesses, 'words',
            CASE WHEN text IS NULL THEN name || ': ' || points || ' points, seen by ' || witnesses || ' different witnesses.'
                ELSE 'A customer wrote about ' || name || ': “' || text || '”' END, 'nomination', NULL)
            ORDER BY points DESC, person_id) AS found
        FROM candidate WHERE rank = 1 OR number <= 20 GROUP BY slug
    ), kinds AS MATERIALIZED (
        SELECT kind, count(DISTINCT event_id) AS facts, sum(points) AS points FROM line GROUP BY kind
    )
    SELECT id, :week, :now, (SELECT max(id) FROM event), (SELECT max(id) FROM points_entry), '', :huddle, false, json_object(
        'team', json_object('name', name, 'slug', slug, 'zone', timezone),
        'begins_at', CAST(:begins AS TEXT), 'ends_at', CAST(:ends AS TEXT),
        'standings', json_object({BOARDS}),
        'points', (SELECT sum(points) FROM kinds),
        'stories', json_array(),
        'facts', (SELECT json_group_object(kind, facts) FROM kinds),
        'candidates', json_object({LISTS}))
    FROM team WHERE id = :team
"""
WINNERS = """
    INSERT INTO recognition (closed_week_id, category, person_id, points, witnesses, drafted, words, reason)
    SELECT closed, slug, person_id, points, witnesses, true, words,
        points || ' points from ' || witnesses || ' different witnesses.' || CASE sharing
            WHEN 1 THEN '' WHEN 2 THEN ' Shared with one other who has as many.'
            ELSE ' Shared with ' || (sharing - 1) || ' others who have as many.' END
    FROM (
        SELECT w.id AS closed, category.key AS slug, person.id AS person_id, CAST(one.value ->> 'points' AS INTEGER) AS points,
            CAST(one.value ->> 'witnesses' AS INTEGER) AS witnesses, one.value ->> 'words' AS words,
            count(*) OVER (PARTITION BY category.key) AS sharing
        FROM closed_week w, json_each(w.numbers -> 'candidates') AS category,
            json_each(category.value) AS one JOIN person ON person.uid = one.value ->> 'person'
        WHERE w.team_id = :team AND w.week = :week AND one.value ->> 'points' = category.value -> 0 ->> 'points'
    ) AS winner
"""
BEAT = "INSERT INTO pulse VALUES (:team % 16, 1) ON CONFLICT (shard) DO UPDATE SET beats = pulse.beats + 1"
STORED = (
    """
    SELECT last_event_id, last_entry_id, closed_by, opening, huddle, autopilot, announced_at, CAST(numbers AS TEXT)
    FROM closed_week WHERE team_id = :team AND week = :week
    """,
    """
    SELECT category, person_id, points, witnesses, reason, words, nomination_id, drafted, dropped_at
    FROM recognition r JOIN closed_week w ON w.id = r.closed_week_id WHERE team_id = :team AND week = :week ORDER BY 1, 2
    """,
)
POSTGRESQL = (
    (r"\bjson_group_array\b", "json_agg"),
    (r"\bjson_group_object\b", "json_object_agg"),
    (r"\bjson_(object|array)\(", r"json_build_\1("),
    (r"\bjson\(", "("),  # SQLite forgets between two steps that a text is JSON
    (r"json_each\(category.value\) AS one", "json_array_elements(category.value) AS one (value)"),
    (r"(FROM team WHERE id = :team)", r"\1 FOR UPDATE"),
    (r" % ", " %% "),
    (r"(?<!:):(\w+)", r"%(\1)s"),
)


class PlainClose:
    """A week of one team after another, each its own transaction."""

    def __init__(self, db: Database, week: Week) -> None:
        self._pooled = db.engine.raw_connection()
        driver = self._pooled.driver_connection
        assert driver is not None
        self._run = driver.execute
        self._begin = "BEGIN IMMEDIATE" if db.is_sqlite else ""
        self._statements = [_spelt(one, db.is_sqlite) for one in (CLOSE, WINNERS, BEAT)]
        self._stored = [_spelt(one, db.is_sqlite) for one in STORED]
        begins, ends = week.begins_at("UTC"), week.ends_at("UTC")
        self._values: dict[str, Any] = {
            "week": str(week),
            "day": str(week.sunday),
            "newest": str(week.sunday - timedelta(days=14)),
            "now": (ends + timedelta(hours=9)).strftime("%Y-%m-%d %H:%M:%S.%f"),
            "begins": begins.isoformat(),
            "ends": ends.isoformat(),
            "huddle": (week.monday - Week(2026, 1).monday).days // 7,
        } | {name: str(week - back) for back, name in enumerate(("one", "two", "three"), 1)}

    def close(self, team_id: int) -> None:
        """Close the team's week."""
        self._work(team_id)
        self._run("COMMIT")

    def rehearsed(self, team_id: int) -> list[Any]:
        """What closing would store; nothing is."""
        self._work(team_id)
        found = self.stored(team_id)
        self._run("ROLLBACK")
        return found

    def stored(self, team_id: int) -> list[Any]:
        """The team's closed week and its winners, whoever closed it."""
        values = self._values | {"team": team_id}
        (*week, numbers), *none = self._run(self._stored[0], values).fetchall()
        assert not none
        return [*week, decode_json(numbers.encode()), *self._run(self._stored[1], values).fetchall()]

    def _work(self, team_id: int) -> None:
        values = self._values | {"team": team_id}
        if self._begin:
            self._run(self._begin)
        for statement in self._statements:
            self._run(statement, values)


def _spelt(statement: str, sqlite: bool) -> str:
    for pattern, other in () if sqlite else POSTGRESQL:
        statement = re.sub(pattern, other, statement)
    return statement
