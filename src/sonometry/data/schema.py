"""Tables of the catalogue, and the engine on them: a SQLite file by default, PostgreSQL by URL.

Nothing of a patient is stored: subjects and studies are pseudonyms, dates are days moved by a secret number. Paths of
files can hold names all the same, so the SQLite file is closed to everybody but its owner.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError
from sqlalchemy.pool import NullPool

from sonometry.core.errors import DataError, MissingExtraError, OutputError, SonometryError, UsageError
from sonometry.io.atomic import output_error

#: Name of the file in a workspace.
CATALOGUE_FILE = "catalogue.sqlite"
#: Raised when tables change; a catalogue of another version is refused.
SCHEMA_VERSION = 1
#: How long a writer waits for another one, ms.
_BUSY_MS = 60_000
_KEY = String(64)

METADATA = MetaData()
ABOUT = Table("about", METADATA, Column("schema_version", Integer, primary_key=True))
ROOTS = Table(
    "roots",
    METADATA,
    Column("root_id", Integer, primary_key=True),
    Column("folder", Text, nullable=False, unique=True),
)
#: The split stands with the subject, so that no subject can be in two.
SUBJECTS = Table(
    "subjects",
    METADATA,
    Column("subject_key", _KEY, primary_key=True),
    Column("split", String(16), nullable=False, default=""),
)
STUDIES = Table(
    "studies",
    METADATA,
    Column("study_key", _KEY, primary_key=True),
    Column("subject_key", _KEY, ForeignKey("subjects.subject_key"), nullable=False, index=True),
    Column("day", Integer),
    Column("time_point", Float),
)
#: One row for every content. `labels` is a JSON object and `problems` a JSON array, as text.
CLIPS = Table(
    "clips",
    METADATA,
    Column("clip_key", _KEY, primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("root_id", Integer, ForeignKey("roots.root_id"), nullable=False),
    Column("path", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject_key", _KEY, ForeignKey("subjects.subject_key"), nullable=False, index=True),
    Column("study_key", _KEY, ForeignKey("studies.study_key")),
    Column("n_frames", Integer),
    Column("n_rows", Integer),
    Column("n_columns", Integer),
    Column("vendor", Text, nullable=False, default=""),
    Column("device", Text, nullable=False, default=""),
    Column("probe", Text, nullable=False, default=""),
    Column("plane", Text, nullable=False, default=""),
    Column("view", Text, nullable=False, default=""),
    Column("time_point", Float),
    Column("truth_path", Text, nullable=False, default=""),
    Column("deidentification", String(16), nullable=False, default="unknown"),
    Column("labels", Text, nullable=False, default="{}"),
    Column("problems", Text, nullable=False, default="[]"),
    Column("is_missing", Boolean, nullable=False, default=False),
    Index("clips_by_place", "root_id", "path"),
)
#: One row for every file that was looked at; several files of one content share a clip.
FILES = Table(
    "files",
    METADATA,
    Column("root_id", Integer, ForeignKey("roots.root_id"), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("clip_key", _KEY, ForeignKey("clips.clip_key"), index=True),
    Column("reason", Text, nullable=False, default=""),
)


def open_engine(workspace: Path, database: str | None = None) -> Engine:
    """Engine on the catalogue of a workspace, or on `database` (postgresql://user@host/name); tables are made.

    Raises UsageError for a wrong URL, DataError for a damaged or foreign catalogue or a server that cannot be reached,
    OutputError where the file cannot be made.
    """
    engine = _postgresql(database) if database else _sqlite(workspace / CATALOGUE_FILE)
    try:
        with explained(engine):
            _make_tables(engine)
    except SonometryError:
        engine.dispose()
        raise
    return engine


@contextlib.contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Errors of the database as one line, without anything that was stored."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        if engine.dialect.name != "sqlite":
            raise DataError(
                "the server of --database cannot be reached or refused; check the URL and rights"
            ) from error
        reason = str(error.orig).splitlines()[0] if error.orig else "unknown reason"
        if "readonly" in reason or "unable to open" in reason or "full" in reason or "disk" in reason:
            raise OutputError(f"{CATALOGUE_FILE} cannot be written: {reason}; choose another --workspace") from error
        raise DataError(
            f"{CATALOGUE_FILE} cannot be used: {reason}; restore it or choose another --workspace"
        ) from error


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read, which never wait for a writer."""
    return engine.execution_options(sonometry_begin="DEFERRED")


def _make_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # two runs that start at once make the tables one after the other
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305421)")
        METADATA.create_all(connection)
        version = connection.scalar(select(ABOUT.c.schema_version))
        if version is None:
            connection.execute(insert(ABOUT).values(schema_version=SCHEMA_VERSION))
        elif version != SCHEMA_VERSION:
            raise DataError(
                f"the catalogue has version {version}, this Sonometry knows {SCHEMA_VERSION}; "
                "export manifest.csv with the one that made it and ingest it into a new --workspace"
            )


def _sqlite(path: Path) -> Engine:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise output_error(path, error) from error
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours: the driver's own comes too late for a safe upgrade
        for pragma in (f"busy_timeout={_BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        mode = connection.get_execution_options().get("sonometry_begin", "IMMEDIATE")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _postgresql(database: str) -> Engine:
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in ("postgresql", "postgres"):
        raise UsageError("--database must be a URL like postgresql://user@host/name; leave it out for SQLite")
    try:
        return create_engine(url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    except ImportError as error:
        raise MissingExtraError("psycopg", "service", "--database") from error
