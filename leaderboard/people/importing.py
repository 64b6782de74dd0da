"""people.csv: everybody at once, from a file. All of it or nothing; the same file twice changes nothing the second time."""

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import date, datetime

from flask_babel import gettext as _
from sqlmodel import Session, select

from leaderboard.people.names import clean_name, normal_email
from leaderboard.people.staff import (
    ROLES,
    PersonFields,
    TeamFields,
    add_person,
    add_team,
    change_person,
    zone_name,
)
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, Team

NEEDED = ("name", "email", "team", "role")
OPTIONAL = ("timezone", "joined_on")
MAX_BYTES = 4 * 1024 * 1024
MAX_ROWS = 50_000
MAX_CELL = 1000
FORMULA = re.compile(r"'[=+\-@\t\r＝＋－＠]")
"""How our own exports keep a spreadsheet from running a cell; read back, it is the cell again."""


@dataclass(frozen=True)
class Row:
    """One line of the file, checked by itself."""

    line: int
    team: str
    fields: PersonFields


@dataclass
class Report:
    """What an import did, or would do: one readable line each. With errors, nothing was or would be written."""

    errors: list[tuple[int, str]] = field(default_factory=list)
    """Line in the file (from 1, the header; 0: the file as a whole) and what to mend there."""
    new_teams: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    written: bool = False


def import_csv(
    session: Session, content: bytes | str, now: datetime, dry_run: bool = True, *, zone: str = "UTC"
) -> Report:
    """Add and change people as the file says; who is not in it stays as they are, and nobody is deactivated or brought back.

    `zone` is for teams that the file names first. The report of a dry run is that of the real run.
    """
    report = Report()
    try:
        rows = _read(_decoded(content), report)
    except Invalid as error:
        report.errors.append((0, error.message))
        return report
    report.errors.sort()
    if report.errors:
        return report
    work = session.begin_nested()
    try:
        _apply(session, rows, now, zone, report)
    except Invalid as error:
        report.errors.append((0, error.message))
    if dry_run or report.errors:
        work.rollback()
    else:
        work.commit()
        report.written = True
    return report


# --- reading ------------------------------------------------------------------------------------------------


def _decoded(content: bytes | str) -> str:
    if len(content) > MAX_BYTES:
        raise Invalid(_("The file is larger than %(most)s MB.", most=MAX_BYTES // 1024 // 1024))
    if isinstance(content, str):
        return content
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Invalid(
            _("This is a spreadsheet or a zip file. Save the sheet as “CSV UTF-8” and take that file.")
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise Invalid(
            _("The file is not UTF-8 text (it looks like UTF-16 or binary). Save it as “CSV UTF-8”.")
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Invalid(
            _("Line %(line)s is not UTF-8 text. Save the file as “CSV UTF-8”.", line=line)
        ) from None


def _read(text: str, report: Report) -> list[Row]:
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise Invalid(_("The file is empty."))
    header = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    if "\0" in text:
        raise Invalid(_("The file has NUL characters. Save it as “CSV UTF-8”."))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    columns: list[str] | None = None
    lines: dict[str, int] = {}
    line = 1
    try:
        for cells in reader:
            here, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(cells)
            elif len(cells) != len(columns):
                problem = _(
                    "has %(cells)s cells instead of %(columns)s", cells=len(cells), columns=len(columns)
                )
                report.errors.append((here, problem))
            elif row := _row(dict(zip(columns, cells, strict=True)), here, lines, report):
                rows.append(row)
            if len(rows) > MAX_ROWS:
                raise Invalid(_("The file has more than %(most)s people.", most=MAX_ROWS))
    except csv.Error as error:
        problem = _("cannot be read: %(problem)s (a quotation mark that is not closed?)", problem=error)
        report.errors.append((line, problem))
    if columns is not None and not rows and not report.errors:
        raise Invalid(_("The file has a header and nobody below it."))
    return rows


def _columns(cells: list[str]) -> list[str]:
    if len(cells) > 50:
        raise Invalid(
            _(
                "The first line has %(count)s columns; it names %(names)s.",
                count=len(cells),
                names=", ".join(NEEDED + OPTIONAL),
            )
        )
    names = [cell.strip().lower() for cell in cells]
    for name in names:
        if name not in NEEDED + OPTIONAL:
            raise Invalid(
                _(
                    "The first line names the columns %(needed)s and, if you like, %(optional)s, "
                    "separated by commas, semicolons or tabs; %(name)s is none of them.",
                    needed=", ".join(NEEDED),
                    optional=", ".join(OPTIONAL),
                    name=repr(name[:40]),
                )
            )
        if names.count(name) > 1:
            raise Invalid(_("The first line names the column %(name)s twice.", name=name))
    if missing := [name for name in NEEDED if name not in names]:
        raise Invalid(_("In the first line these columns are missing: %(names)s.", names=", ".join(missing)))
    return names


def _row(cells: dict[str, str], line: int, lines: dict[str, int], report: Report) -> Row | None:
    problems: list[str] = []

    def checked(name: str) -> str:
        text = cells.get(name, "").strip()
        if FORMULA.match(text):
            text = text[1:]
        if len(text) > MAX_CELL:
            problems.append(_("%(name)s is longer than %(most)s characters", name=name, most=MAX_CELL))
            return ""
        return text

    try:
        name = clean_name(checked("name"))
        email = normal_email(checked("email"))
        team = clean_name(checked("team"), "team")
        role = checked("role").lower()
        if role not in ROLES:
            raise Invalid(
                _("role is %(role)s; write one of %(roles)s", role=repr(role[:40]), roles=", ".join(ROLES))
            )
        zone = checked("timezone")
        fields = PersonFields(
            name, email, role, zone_name(zone) if zone else None, _day(checked("joined_on"))
        )
    except Invalid as error:
        about = f"{error.field}: " if error.field else ""
        problems.append(f"{about}{error.message}")
    else:
        if email in lines:
            problems.append(
                _("email: %(email)s stands in line %(line)s already", email=email, line=lines[email])
            )
        lines.setdefault(email, line)
        if not problems:
            return Row(line, team, fields)
    report.errors.extend((line, problem) for problem in problems)
    return None


def _day(text: str) -> date | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise Invalid(_("%(text)s is not a day; write it as 2026-11-20", text=repr(text[:40])), "joined_on")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(_("there is no day %(day)s", day=text), "joined_on") from None


# --- writing ------------------------------------------------------------------------------------------------


def _apply(session: Session, rows: list[Row], now: datetime, zone: str, report: Report) -> None:
    teams = {team.name.casefold(): team for team in session.exec(select(Team))}
    known = {person.email: person for person in session.exec(select(Person))}
    handles = {person.handle for person in known.values()}
    # New admins first, so that the last of the old ones may become something else by the same file.
    for row in sorted(rows, key=lambda row: row.fields.role != "admin"):
        team = teams.get(row.team.casefold())
        if team is None:
            team = teams[row.team.casefold()] = add_team(session, TeamFields(row.team, zone), now)
            report.new_teams.append(team.name)
        person = known.get(row.fields.email)
        if person is None:
            add_person(session, team, row.fields, now, handles)
            report.added.append(f"{row.fields.name} <{row.fields.email}>, {team.name}, {row.fields.role}")
        elif what := _differences(person, team, row.fields):
            change_person(session, person, team, row.fields, now)
            report.changed.append(f"{person.name} <{person.email}>: {', '.join(what)}")
        else:
            report.unchanged += 1


def _differences(person: Person, team: Team, fields: PersonFields) -> list[str]:
    """What the file would change of somebody, in words. An empty optional cell changes nothing."""
    pairs = {
        "name": (person.name, fields.name),
        "team": (person.team_id, team.id),
        "role": (person.role, fields.role),
        "timezone": (person.timezone, fields.timezone or person.timezone),
        "joined_on": (person.joined_on, fields.joined_on or person.joined_on),
    }
    return [
        what if what == "team" else f"{what} {before or '-'} → {after}"
        for what, (before, after) in pairs.items()
        if before != after
    ]
