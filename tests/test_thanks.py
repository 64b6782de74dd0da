"""What customers said, and who may know which customer it was."""

import pytest

from leaderboard import thanks
from leaderboard.database import Database
from leaderboard.tables import Person
from tests.make import Company
from tests.test_ledger import take_in
from tests.test_ledger import thanks as thanked


@pytest.mark.parametrize(
    ("viewer", "knows"), [("ana", True), ("lea", True), ("ada", True), ("max", False), ("ben", False)]
)
def test_the_customer_is_named_to_the_person_their_leads_and_admins(
    db: Database, company: Company, viewer: str, knows: bool
) -> None:
    take_in(db, thanked(1, customer="Mr Ito"))
    with db.reading() as session:
        (said,) = thanks.said(session, session.get_one(Person, company[viewer]))
    assert (said.text, said.customer) == ("She found our luggage!", "Mr Ito" if knows else None)


def test_a_number_of_the_helpdesk_is_not_shown_as_a_name(db: Database, company: Company) -> None:
    take_in(db, thanked(1, customer="8447388090777"))
    with db.reading() as session:
        (said,) = thanks.said(session, session.get_one(Person, company["ana"]))
    assert said.customer is None
