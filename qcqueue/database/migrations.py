"""The way from every older format of the database to today's: one step of SQL from each to the next.

A step only adds what has a default, because an older qcqueue may be at work in the same local file and must find all
its columns. Steps run inside a transaction of whoever changes the database, so a cut leaves the old format, whole, or
on a copy in memory of whoever only reads it; the tables they lead to are those of `schema`, to the column.
"""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, update

from qcqueue.database.schema import FORMAT, meta
from qcqueue.database.sqlite import unknown_format

STEPS: Mapping[int, tuple[str, ...]] = {
    # Google Drive finds bytes and heartbeats by ids it gave out itself, so what it called them must be written down.
    1: (
        "ALTER TABLE blobs ADD COLUMN place VARCHAR DEFAULT '' NOT NULL",
        "ALTER TABLE sessions ADD COLUMN heartbeat VARCHAR DEFAULT '' NOT NULL",
    ),
    # A state is stored in parts that are shared; and what the time of a held machine went into is written down.
    # The checkpoints of before get their rows in `packs` when they are needed: `queue.checkpoints.adopt`.
    2: (
        "ALTER TABLE sessions ADD COLUMN seconds TEXT DEFAULT '{}' NOT NULL",
        "ALTER TABLE sessions ADD COLUMN seen_at_s FLOAT",
        "ALTER TABLE attempts ADD COLUMN seconds TEXT DEFAULT '{}' NOT NULL",
        "ALTER TABLE attempts ADD COLUMN pace TEXT DEFAULT '{}' NOT NULL",
        "CREATE INDEX replaced_epochs ON epochs (job_id, epoch) WHERE official = 0",
        "CREATE INDEX checkpoints_by_state ON checkpoints (state_sha256, status)",
        """
        CREATE TABLE packs (
            checkpoint_id INTEGER NOT NULL,
            part VARCHAR NOT NULL,
            position INTEGER NOT NULL,
            sha256 VARCHAR(64) NOT NULL,
            PRIMARY KEY (checkpoint_id, part, position),
            CONSTRAINT part_is_known CHECK (part IN ('state', 'best')),
            CONSTRAINT packs_count_from_zero CHECK (position >= 0),
            FOREIGN KEY(checkpoint_id) REFERENCES checkpoints (id),
            FOREIGN KEY(sha256) REFERENCES blobs (sha256)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX packs_by_sha256 ON packs (sha256)",
    ),
    # What a session was promised and what it expected is kept, so that the next can learn from it.
    3: (
        "ALTER TABLE attempts ADD COLUMN rehearsal TEXT",
        "ALTER TABLE jobs ADD COLUMN moved BOOLEAN DEFAULT 0 NOT NULL",
        "ALTER TABLE sessions ADD COLUMN profile VARCHAR DEFAULT '' NOT NULL",
        "ALTER TABLE sessions ADD COLUMN has_gpu BOOLEAN",
        "ALTER TABLE sessions ADD COLUMN promised_until_s FLOAT",
        """
        CREATE TABLE forecasts (
            id INTEGER NOT NULL,
            session_id VARCHAR NOT NULL,
            study VARCHAR,
            made_at_s FLOAT NOT NULL,
            low_s FLOAT NOT NULL,
            likely_s FLOAT NOT NULL,
            high_s FLOAT NOT NULL,
            PRIMARY KEY (id),
            CONSTRAINT a_forecast_is_a_range CHECK (low_s <= likely_s AND likely_s <= high_s),
            FOREIGN KEY(session_id) REFERENCES sessions (id)
        )
        """,
    ),
    # Records and results say by which rule their losses were computed; ImageNet weights can be kept; files have names.
    4: (
        "ALTER TABLE blobs ADD COLUMN title VARCHAR DEFAULT '' NOT NULL",
        "ALTER TABLE jobs ADD COLUMN keep_weights BOOLEAN DEFAULT 0 NOT NULL",
        """
        CREATE TABLE pretrained (
            file VARCHAR NOT NULL,
            sha256 VARCHAR(64) NOT NULL,
            kept_at_s FLOAT NOT NULL,
            PRIMARY KEY (file),
            FOREIGN KEY(sha256) REFERENCES blobs (sha256)
        )
        """,
    ),
    # Rows vouch for what they hold; attempts say what ended them, and their numbers outlive their jobs.
    5: (
        "ALTER TABLE attempts ADD COLUMN commits INTEGER DEFAULT 0 NOT NULL",
        "ALTER TABLE attempts ADD COLUMN trouble VARCHAR",
        "ALTER TABLE attempts ADD COLUMN digest BLOB",
        "ALTER TABLE epochs ADD COLUMN digest BLOB",
        "ALTER TABLE checkpoints ADD COLUMN digest BLOB",
        "ALTER TABLE results ADD COLUMN digest BLOB",
        "ALTER TABLE history ADD COLUMN digest BLOB",
        "CREATE INDEX kept_checkpoints ON checkpoints (job_id, id) WHERE status = 'kept'",
        """
        CREATE TABLE numbers (
            job_name VARCHAR NOT NULL,
            highest INTEGER NOT NULL,
            PRIMARY KEY (job_name),
            CONSTRAINT numbers_count_from_one CHECK (highest >= 1)
        )
        """,
        """
        INSERT INTO numbers (job_name, highest)
        SELECT jobs.name, max(attempts.number) FROM attempts JOIN jobs ON jobs.id = attempts.job_id GROUP BY jobs.id
        """,
        """
        CREATE TABLE last_words (
            attempt_id INTEGER NOT NULL,
            words TEXT NOT NULL,
            digest BLOB,
            PRIMARY KEY (attempt_id),
            FOREIGN KEY(attempt_id) REFERENCES attempts (id)
        )
        """,
    ),
    # What epochs were computed on stands on their attempt, in words of no one framework. An attempt that vouches for
    # what it holds is left alone: each of its epochs says it itself. A job may keep its state when it is done, and
    # belong to somebody; what is settled for all who use the queue stands in it; and how steps are computed best.
    6: (
        "ALTER TABLE attempts ADD COLUMN identity TEXT",
        "ALTER TABLE attempts ADD COLUMN step_choice TEXT",
        "ALTER TABLE jobs ADD COLUMN keep_state BOOLEAN DEFAULT 0 NOT NULL",
        "ALTER TABLE jobs ADD COLUMN owner VARCHAR",
        "CREATE TABLE settings (name VARCHAR NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name))",
        """
        CREATE TABLE step_choices (
            "key" VARCHAR(64) NOT NULL,
            model VARCHAR NOT NULL,
            choice TEXT NOT NULL,
            measured_at_s FLOAT NOT NULL,
            PRIMARY KEY ("key")
        )
        """,
        """
        UPDATE attempts SET identity = newest.identity
        FROM (SELECT attempt_id, identity, max(id) FROM epochs GROUP BY attempt_id) AS newest
        WHERE newest.attempt_id = attempts.id AND attempts.digest IS NULL
        """,
    ),
}

# The same steps as a server takes them, which has no format older than 7: in its own words, or as `STEPS[7]` where they
# are the same. Each step of a later format stands in both.
SERVER_STEPS: Mapping[int, tuple[str, ...]] = {}


def steps_for(tx: Connection) -> Mapping[int, tuple[str, ...]]:
    """Return the steps in the words of a database."""
    return SERVER_STEPS if tx.dialect.name == "postgresql" else STEPS


def bring_to_today(tx: Connection, place: Path | str) -> bool:
    """Lead an older database to today's format, and return whether it was one; today's is not written.

    Raises: as `format_of`.
    """
    was_older = False
    while (found := format_of(tx, place)) < FORMAT:
        for statement in steps_for(tx)[found]:
            tx.exec_driver_sql(statement)
        tx.execute(update(meta).values(format=found + 1))
        was_older = True
    return was_older


def format_of(tx: Connection, place: Path | str) -> int:
    """Return the format, today's or one that leads to it.

    Raises: NewerQueue: a newer qcqueue wrote the database. UnknownFormat: there is no such format.
    """
    # Asked in every transaction, so not through a statement that has to be looked up first.
    found = tx.exec_driver_sql("SELECT format FROM meta LIMIT 2").scalars().all()
    if len(found) != 1 or type(found[0]) is not int or found[0] not in {*steps_for(tx), FORMAT}:
        raise unknown_format(place, found[0] if len(found) == 1 else None)
    return found[0]
