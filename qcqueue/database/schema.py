"""The tables of the queue. The schema itself forbids nonsense: two live attempts, two official rows of an epoch.

Rows never leave `queue`; it turns them into values. Times are seconds since 1970 UTC. Floats are IEEE doubles,
which SQLite keeps to the bit. JSON columns hold canonical JSON. Names are for ever: add, never rename.
FORMAT rises with every change an older qcqueue could not read, and `migrations` gets a step; a newer database is
refused, never touched.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    column,
    false,
    text,
)

from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.states import State
from qcqueue.database.cells import check_cells

FORMAT = 7

# How many bytes of its SHA-256 a row keeps: enough to see rot, which nobody aims.
DIGEST_BYTES = 8

metadata = MetaData()


def _digest() -> Column[bytes | None]:
    """What the row held when it was written, as `database.rows` sums it; NULL in rows of before format 6."""
    return Column("digest", LargeBinary)


def _one_of(column: str, values: type[State] | type[Outcome] | type[Cause]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")


# One row: the format of this database, so that a newer one is refused before anything else is read.
meta = Table("meta", metadata, Column("format", Integer, primary_key=True))

# What all who use the queue have settled for it, by name; a name without a row stands as it does where nobody said.
settings = Table("settings", metadata, Column("name", String, primary_key=True), Column("value", Text, nullable=False))

# Blobs that commits have named. deleted_at_s is set after the bytes are gone from the store; the row of a pack then
# goes too, because there are thousands. title is what its owner called the file, for people.
blobs = Table(
    "blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    # state (a head), head (one without tensors, of a job that is done), pack, dataset, weights, predictions
    Column("kind", String, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("stored_at_s", Float, nullable=False),
    Column("deleted_at_s", Float),
    Column("place", String, nullable=False, server_default=""),  # how the store finds it, if not by its digest
    Column("title", String, nullable=False, server_default=""),
)

# ImageNet weights that somebody wanted kept, so that further machines need not ask whoever publishes them. file is what
# Keras calls the file.
pretrained = Table(
    "pretrained",
    metadata,
    Column("file", String, primary_key=True),
    Column("sha256", ForeignKey("blobs.sha256"), nullable=False),
    Column("kept_at_s", Float, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("name", String, primary_key=True),
    Column("sha256", ForeignKey("blobs.sha256"), nullable=False),
    Column("summary", Text, nullable=False),
    Column("added_at_s", Float, nullable=False),
)

# position orders the queue and is never shown; moved says that a person has given the job its place. dataset_sha256
# pins the data a job was enqueued on. keep_weights: whoever fetches its ImageNet weights puts them into the store.
# keep_state: once it is done, it keeps all that further training needs, and not only its weights. owner: whose it is,
# an account or what a person is called; NULL is anybody's.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("study", String, nullable=False),
    Column("model", String, nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("spec", Text, nullable=False),
    Column("spec_sha256", String(64), nullable=False, unique=True),
    Column("dataset_sha256", ForeignKey("blobs.sha256"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("failure_cause", String),
    Column("failure_message", Text),
    Column("enqueued_at_s", Float, nullable=False),
    Column("updated_at_s", Float, nullable=False),
    Column("moved", Boolean, nullable=False, server_default=false()),
    Column("keep_weights", Boolean, nullable=False, server_default=false()),
    Column("keep_state", Boolean, nullable=False, server_default=false()),
    Column("owner", String),
    _one_of("state", State),
    _one_of("failure_cause", Cause),
    CheckConstraint("(state = 'failed') = (failure_cause IS NOT NULL)", name="a_failure_has_a_cause"),
    Index("jobs_by_state", "state", "position"),
)

# One life of one machine that works. machine tells two sessions of one machine from those of two. seconds is the ledger
# of the time it held its machine, by name; what the names mean is `core`'s. seen_at_s is when it surely still lived.
# profile names what its provider allows, has_gpu is unknown of older sessions, promised_until_s is how long somebody
# has said that it would live.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("machine", String, nullable=False),
    Column("host", String, nullable=False),
    Column("processor", String, nullable=False),
    Column("started_at_s", Float, nullable=False),
    Column("ended_at_s", Float),
    Column("ended_how", String),
    Column("heartbeat", String, nullable=False, server_default=""),  # its name in the store; "" is the session's id
    Column("seconds", Text, nullable=False, server_default="{}"),
    Column("seen_at_s", Float),
    Column("profile", String, nullable=False, server_default=""),
    Column("has_gpu", Boolean),
    Column("promised_until_s", Float),
)

# One session's work on one job. number is the fencing token: it only rises, and only the live one may write. seconds is
# its part of the session's ledger, pace what it measured of its machine, by name, rehearsal what came of doing the same
# steps twice where the hardware was new to the run, step_choice how its step was chosen, where that was asked. commits
# counts its writes that were carried out, so whoever was not told what came of one can ask. trouble names what of its
# machine or of the store ended it, if that did. identity is what its epochs were computed on, NULL before the first.
# digest is of an attempt that has ended.
attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("session_id", ForeignKey("sessions.id"), nullable=False),
    Column("started_at_s", Float, nullable=False),
    Column("ended_at_s", Float),
    Column("outcome", String),
    Column("reason", Text),
    Column("seconds", Text, nullable=False, server_default="{}"),
    Column("pace", Text, nullable=False, server_default="{}"),
    Column("rehearsal", Text),
    Column("commits", Integer, nullable=False, server_default=text("0")),
    Column("trouble", String),
    _digest(),
    Column("identity", Text),
    Column("step_choice", Text),
    UniqueConstraint("job_id", "number"),
    _one_of("outcome", Outcome),
    CheckConstraint("(outcome IS NULL) = (ended_at_s IS NULL)", name="an_ended_attempt_has_an_outcome"),
    CheckConstraint("number >= 1", name="attempts_count_from_one"),
    Index("one_live_attempt_a_job", "job_id", unique=True, sqlite_where=text("outcome IS NULL")),
)

# The highest number that was ever given to an attempt on a job of this name: numbers go on, also where the job was
# removed and comes again, or its queue was taken over from a copy.
numbers = Table(
    "numbers",
    metadata,
    Column("job_name", String, primary_key=True),
    Column("highest", Integer, nullable=False),
    CheckConstraint("highest >= 1", name="numbers_count_from_one"),
)

# The end of what a trainer said, for the last attempts of each job.
last_words = Table(
    "last_words",
    metadata,
    Column("attempt_id", ForeignKey("attempts.id"), primary_key=True),
    Column("words", Text, nullable=False),
    _digest(),
)

# One trained epoch. official is false for a row that a redone epoch replaced; such rows are kept, never counted.
# identity is empty where the attempt's is meant, as since format 7. digest is of all but official.
epochs = Table(
    "epochs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("attempt_id", ForeignKey("attempts.id"), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("official", Boolean, nullable=False),
    Column("loss", Float, nullable=False),
    Column("accuracy", Float, nullable=False),
    Column("val_loss", Float, nullable=False),
    Column("val_accuracy", Float, nullable=False),
    Column("learning_rate", Float, nullable=False),
    Column("train_s", Float, nullable=False),
    Column("val_s", Float, nullable=False),
    Column("checkpoint_s", Float, nullable=False),
    Column("first_step_s", Float),
    Column("step_s_p50", Float),
    Column("step_s_p95", Float),
    Column("step_count", Integer, nullable=False),
    Column("identity", Text, nullable=False),
    Column("lineage", Integer, nullable=False),
    Column("recorded_at_s", Float, nullable=False),
    _digest(),
    CheckConstraint("epoch >= 1", name="epochs_count_from_one"),
    Index("one_official_row_an_epoch", "job_id", "epoch", unique=True, sqlite_where=text("official")),
    Index("replaced_epochs", "job_id", "epoch", sqlite_where=~column("official", Boolean())),
)

# As the indexes say it: SQLite does not apply that of official rows to "official = 1", as SQLAlchemy writes the column.
IS_OFFICIAL = text("epochs.official")
IS_REPLACED = ~epochs.c.official

# Where a run can be taken up. Several rows may name one state: validation changes the record, not the tensors. digest
# is of all but status.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("attempt_id", ForeignKey("attempts.id"), nullable=False),
    Column("epochs_done", Integer, nullable=False),
    Column("steps_done", Integer, nullable=False),
    Column("lineage", Integer, nullable=False),
    Column("state_sha256", ForeignKey("blobs.sha256"), nullable=False),  # its head
    Column("record", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("recorded_at_s", Float, nullable=False),
    _digest(),
    CheckConstraint("status IN ('kept', 'retired', 'damaged')", name="status_is_known"),
    Index("checkpoints_of_a_job", "job_id", "id"),
    # Of hundreds of saves of a job two or three are kept, and every claim and commit asks for these.
    Index("kept_checkpoints", "job_id", "id", sqlite_where=text("status = 'kept'")),
    Index("checkpoints_by_state", "state_sha256", "status"),  # also for the foreign key: rows of `blobs` are deleted
)

# What else a kept checkpoint is made of: its state's packs beside the head, and the packs of its best epoch's model.
# Only kept checkpoints have rows here. Packs are shared, so each is looked up by its digest as often as by its owner.
packs = Table(
    "packs",
    metadata,
    Column("checkpoint_id", ForeignKey("checkpoints.id"), primary_key=True),
    Column("part", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sha256", ForeignKey("blobs.sha256"), nullable=False),
    CheckConstraint("part IN ('state', 'best')", name="part_is_known"),
    CheckConstraint("position >= 0", name="packs_count_from_zero"),
    Index("packs_by_sha256", "sha256"),
    sqlite_with_rowid=False,  # its key is most of a row, and would stand in the file twice
)

# How the step of a model is computed best, as it was measured once; key is a digest of all that this holds for.
step_choices = Table(
    "step_choices",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("model", String, nullable=False),
    Column("choice", Text, nullable=False),
    Column("measured_at_s", Float, nullable=False),
)

# What a session expected when it claimed a job, kept so that it can be compared with what came: when it would be taken
# away itself, or, where a study is named, when that would be done. In four of five cases between low_s and high_s.
forecasts = Table(
    "forecasts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False),
    Column("study", String),
    Column("made_at_s", Float, nullable=False),
    Column("low_s", Float, nullable=False),
    Column("likely_s", Float, nullable=False),
    Column("high_s", Float, nullable=False),
    CheckConstraint("low_s <= likely_s AND likely_s <= high_s", name="a_forecast_is_a_range"),
)

# The final evaluation; a job is done exactly when it has one.
results = Table(
    "results",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("attempt_id", ForeignKey("attempts.id"), nullable=False),
    Column("result", Text, nullable=False),
    Column("predictions_sha256", ForeignKey("blobs.sha256"), nullable=False),
    Column("committed_at_s", Float, nullable=False),
    _digest(),
)

# The story: who did what to which job, when and why. Only ever added to.
history = Table(
    "history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("job_id", ForeignKey("jobs.id")),
    Column("attempt", Integer),
    Column("why", Text, nullable=False),
    _digest(),
    Index("history_of_a_job", "job_id", "id"),
)

# Words that decide something are known ones, whoever wrote the row.
_KNOWN: dict[str, dict[str, frozenset[str]]] = {
    "jobs": {"state": frozenset(State), "failure_cause": frozenset(Cause)},
    "attempts": {"outcome": frozenset(Outcome)},
}

for _table in metadata.tables.values():
    check_cells(_table, _KNOWN.get(_table.name, {}))
