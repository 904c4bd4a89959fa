"""Tables of annotation, in the database of the catalogue: marks that are only added, work lists, people, logins."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Engine, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

METADATA = MetaData()

#: One row for every action. `version` counts the rows of one place; the unique constraint is what keeps two people
#: from overwriting each other. `value` is JSON, or NULL where the mark was taken away.
MARKS = Table(
    "annotate_marks",
    METADATA,
    Column("mark_id", Integer, primary_key=True),
    Column("action_id", String(36), nullable=False, unique=True),
    Column("list_name", String(64), nullable=False),
    Column("reader", String(64), nullable=False),
    Column("round", Integer, nullable=False),
    Column("target", String(64), nullable=False),
    Column("slot", String(96), nullable=False),
    Column("structure", String(64), nullable=False),
    Column("frame", Integer),
    Column("version", Integer, nullable=False),
    Column("author", String(64), nullable=False),
    Column("time", String(40), nullable=False),
    Column("value", Text),
    Column("undoes", Integer),
    UniqueConstraint("list_name", "reader", "round", "target", "slot", "version"),
    Index("annotate_marks_by_author", "author", "list_name", "round"),
)
#: What is to be read; `config` is JSON.
LISTS = Table(
    "annotate_lists",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("config", Text, nullable=False),
)
PEOPLE = Table(
    "annotate_people",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("is_admin", Boolean, nullable=False),
)
#: Logins by the digest of their secret, which only the browser has.
SESSIONS = Table(
    "annotate_sessions",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("started_s", Float, nullable=False),
    Column("seen_s", Float, nullable=False),
)


def make_tables(engine: Engine) -> None:
    """Add the tables to the database where they are missing."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305422)")
        METADATA.create_all(connection)
