"""The first schema: the record, its tree, and the rows folded from it."""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE baseline (
        rule TEXT NOT NULL,
        subject TEXT NOT NULL,
        trials INTEGER NOT NULL,
        hits INTEGER NOT NULL,
        tau REAL,
        model TEXT NOT NULL,
        enrolled_at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (rule, subject)
    )
     STRICT
    """,
    """
    CREATE TABLE comparison (
        id TEXT NOT NULL,
        round_id TEXT NOT NULL,
        target TEXT NOT NULL,
        at TEXT NOT NULL,
        question TEXT NOT NULL,
        gap REAL,
        flagged INTEGER,
        byte_different INTEGER NOT NULL,
        edited TEXT NOT NULL,
        delivered_reply TEXT NOT NULL,
        reason TEXT,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE TABLE incident (
        id TEXT NOT NULL,
        rule TEXT NOT NULL,
        subject TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        state TEXT NOT NULL,
        severity TEXT NOT NULL,
        summary TEXT NOT NULL,
        opened_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        findings INTEGER NOT NULL,
        recovered_by TEXT,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE UNIQUE INDEX incident_one_open ON incident (fingerprint) WHERE state = 'open'
    """,
    """
    CREATE TABLE incident_event (
        id TEXT NOT NULL,
        incident_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        at TEXT NOT NULL,
        severity TEXT NOT NULL,
        summary TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE INDEX incident_event_by_incident ON incident_event (incident_id)
    """,
    """
    CREATE TABLE leaf (
        idx INTEGER NOT NULL,
        body BLOB NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (idx)
    )
     STRICT
    """,
    """
    CREATE TABLE outbox (
        notice_id TEXT NOT NULL,
        notifier TEXT NOT NULL,
        event_id TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        queued_at TEXT NOT NULL,
        next_at TEXT,
        answer TEXT,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (notice_id)
    )
     STRICT
    """,
    """
    CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'waiting'
    """,
    """
    CREATE TABLE round (
        id TEXT NOT NULL,
        target TEXT NOT NULL,
        started_at TEXT NOT NULL,
        at TEXT NOT NULL,
        seed INTEGER NOT NULL,
        compared INTEGER NOT NULL,
        flagged INTEGER NOT NULL,
        judged INTEGER NOT NULL,
        unmeasured INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        enrolment INTEGER NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE INDEX round_by_target ON round (target, started_at)
    """,
    """
    CREATE TABLE run (
        leaf INTEGER NOT NULL,
        kind TEXT NOT NULL,
        at TEXT NOT NULL,
        detail TEXT NOT NULL,
        PRIMARY KEY (leaf)
    )
     STRICT
    """,
    """
    CREATE TABLE schedule (
        leaf INTEGER NOT NULL,
        kind TEXT NOT NULL,
        at TEXT NOT NULL,
        day TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (leaf)
    )
     STRICT
    """,
    """
    CREATE TABLE sight (
        rule TEXT NOT NULL,
        subject TEXT NOT NULL,
        rounds INTEGER NOT NULL,
        since TEXT,
        dark TEXT NOT NULL,
        offline INTEGER NOT NULL,
        told INTEGER NOT NULL,
        at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (rule, subject)
    )
     STRICT
    """,
    """
    CREATE TABLE signing_key (
        leaf INTEGER NOT NULL,
        at TEXT NOT NULL,
        origin TEXT NOT NULL,
        "key" TEXT NOT NULL,
        endorsed INTEGER NOT NULL,
        PRIMARY KEY (leaf)
    )
     STRICT
    """,
    """
    CREATE TABLE stream (
        rule TEXT NOT NULL,
        subject TEXT NOT NULL,
        evidence REAL NOT NULL,
        trials INTEGER NOT NULL,
        hits INTEGER NOT NULL,
        alarmed INTEGER NOT NULL,
        alarms INTEGER NOT NULL,
        at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (rule, subject)
    )
     STRICT
    """,
    """
    CREATE TABLE tree (
        id INTEGER NOT NULL,
        size INTEGER NOT NULL,
        peaks BLOB NOT NULL,
        root BLOB NOT NULL,
        checkpoint TEXT,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE TABLE verdict (
        id TEXT NOT NULL,
        round_id TEXT NOT NULL,
        target TEXT NOT NULL,
        channel TEXT NOT NULL,
        family TEXT NOT NULL,
        arm TEXT NOT NULL,
        at TEXT NOT NULL,
        grade TEXT NOT NULL,
        reason TEXT,
        why TEXT NOT NULL,
        reply TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
)


def upgrade() -> None:
    """Create the tables, and the head of an empty tree."""
    for statement in _TABLES:
        op.execute(statement)
    # The root of no leaves is SHA-256 of nothing (RFC 6962, section 2.1).
    op.execute(
        "INSERT INTO tree (id, size, peaks, root) VALUES "
        "(0, 0, x'', x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')"
    )
