"""Alembic's environment: it works inside the one transaction of `Database.rebuilding`."""

from alembic import context
from sqlalchemy import text
from sqlmodel import SQLModel

from leaderboard import tables  # noqa: F401  (fills the metadata)

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    # two starting processes upgrade one after the other
    connection.execute(text("SELECT pg_advisory_xact_lock(7011)"))
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
context.run_migrations()
