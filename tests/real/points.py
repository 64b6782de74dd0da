"""What came of a real helpdesk's tickets."""

from sqlalchemy import select

from leaderboard.database import Database
from leaderboard.tables import Credit, Event, PointsEntry
from tests.make import Company


def earned(db: Database, company: Company, ticket: str | None) -> dict[str, list[tuple[str, int]]]:
    """Who earned how much for this ticket (None: for no ticket) by which kind of fact."""
    query = (
        select(PointsEntry.person_id, Event.kind, PointsEntry.points)
        .join(Credit, Credit.id == PointsEntry.credit_id)
        .join(Event, Event.id == Credit.event_id)
        .where(PointsEntry.points > 0, Event.ticket == ticket if ticket else Event.ticket.is_(None))
        .order_by(Event.kind)
    )
    names = {number: name for name, number in company.people.items()}
    found: dict[str, list[tuple[str, int]]] = {}
    with db.reading() as session:
        for person, kind, points in session.execute(query):
            found.setdefault(names[person], []).append((kind, points))
    return found
