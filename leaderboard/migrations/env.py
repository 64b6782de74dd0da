"""Alembic's environment: one transaction for all steps, the ledger's triggers put back at its end."""

from alembic import context
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

from leaderboard import tables  # noqa: F401  (fills the metadata)
from leaderboard.database import LEDGER, ledger_triggers

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        # A batch migration rebuilds tables; foreign keys are checked once, at the end, instead of at each drop.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.commit()
        connection = connection.execution_options(begin_immediate=True)
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=sqlite,
        transaction_per_migration=False,
        compare_type=True,
    )
    with context.begin_transaction():
        if not sqlite:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(7011)")
            )  # two starting processes upgrade one after the other
        context.run_migrations()
        if inspect(connection).has_table(LEDGER):  # not on the way down to nothing
            for statement in ledger_triggers(connection.dialect.name):
                connection.exec_driver_sql(statement)
        if sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()):
            raise RuntimeError(f"the migration would leave rows without what they point to: {broken[:5]}")
    if sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        connection.commit()
