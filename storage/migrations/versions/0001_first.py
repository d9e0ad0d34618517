"""The first schema: the record, its tree, and the rows folded from it."""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE ability (
        subject TEXT NOT NULL,
        enrolled TEXT NOT NULL,
        lacking TEXT NOT NULL,
        told INTEGER NOT NULL,
        at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (subject)
    )
     STRICT
    """,
    """
    CREATE TABLE alarm (
        id TEXT NOT NULL,
        log TEXT NOT NULL,
        client TEXT NOT NULL,
        rule TEXT NOT NULL,
        segment TEXT NOT NULL,
        severity TEXT NOT NULL,
        since TEXT NOT NULL,
        seen_at TEXT NOT NULL,
        evidence REAL NOT NULL,
        threshold REAL NOT NULL,
        expected REAL NOT NULL,
        base_rate REAL NOT NULL,
        hits INTEGER NOT NULL,
        trials INTEGER NOT NULL,
        said TEXT NOT NULL,
        at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE INDEX alarm_by_client ON alarm (log, client, rule)
    """,
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
    CREATE TABLE benign_bank (
        leaf INTEGER NOT NULL,
        engine TEXT NOT NULL,
        subject TEXT NOT NULL,
        model TEXT NOT NULL,
        runs_on TEXT NOT NULL,
        precision TEXT NOT NULL,
        batch_size INTEGER NOT NULL,
        libraries TEXT NOT NULL,
        replies INTEGER NOT NULL,
        unmeasured INTEGER NOT NULL,
        half REAL NOT NULL,
        ninety REAL NOT NULL,
        ninety_nine REAL NOT NULL,
        largest REAL NOT NULL,
        digest TEXT NOT NULL,
        counted INTEGER NOT NULL,
        tau REAL NOT NULL,
        bound REAL NOT NULL,
        decided_by TEXT NOT NULL,
        level REAL NOT NULL,
        confidence REAL NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (leaf, engine)
    )
     STRICT
    """,
    """
    CREATE TABLE client_expected (
        log TEXT NOT NULL,
        client TEXT NOT NULL,
        rule TEXT NOT NULL,
        rate REAL NOT NULL,
        until TEXT,
        incident TEXT NOT NULL,
        said_by TEXT NOT NULL,
        said_by_uid INTEGER NOT NULL,
        said_by_login INTEGER,
        reason TEXT NOT NULL,
        at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (log, client, rule)
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
        sides TEXT NOT NULL,
        unsaid TEXT,
        spelled INTEGER,
        logprob_distance REAL,
        logprob_flagged INTEGER,
        byte_different INTEGER NOT NULL,
        calls TEXT,
        call_gap REAL,
        edited TEXT NOT NULL,
        delivered_reply TEXT NOT NULL,
        reason TEXT,
        declared TEXT,
        exhibit TEXT,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE TABLE conclusion (
        incident_id TEXT NOT NULL,
        disposition TEXT NOT NULL,
        root_cause TEXT NOT NULL,
        corrective_action TEXT NOT NULL,
        affected_from TEXT,
        affected_to TEXT,
        known_at TEXT,
        affected TEXT NOT NULL,
        reference_list TEXT NOT NULL,
        concluded_by TEXT NOT NULL,
        concluded_by_uid INTEGER NOT NULL,
        concluded_by_login INTEGER,
        concluded_at TEXT NOT NULL,
        approved_by TEXT,
        approved_by_uid INTEGER,
        approved_by_login INTEGER,
        closed_at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (incident_id)
    )
     STRICT
    """,
    """
    CREATE TABLE customer_text (
        digest TEXT NOT NULL,
        salt BLOB NOT NULL,
        text TEXT NOT NULL,
        log TEXT NOT NULL,
        client TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (digest)
    )
     STRICT
    """,
    """
    CREATE INDEX customer_text_by_client ON customer_text (log, client)
    """,
    """
    CREATE TABLE exhibit (
        digest TEXT NOT NULL,
        size INTEGER NOT NULL,
        leaf INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (digest)
    )
     STRICT
    """,
    """
    CREATE TABLE finding (
        id TEXT NOT NULL,
        incident_id TEXT NOT NULL,
        event_id TEXT NOT NULL,
        rule TEXT NOT NULL,
        subject TEXT NOT NULL,
        severity TEXT NOT NULL,
        seen_at TEXT NOT NULL,
        evidence_value REAL NOT NULL,
        suspect TEXT NOT NULL,
        summary TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE INDEX finding_by_incident ON finding (incident_id)
    """,
    """
    CREATE TABLE fork (
        leaf INTEGER NOT NULL,
        at TEXT NOT NULL,
        origin TEXT NOT NULL,
        parent_origin TEXT NOT NULL,
        parent_size INTEGER NOT NULL,
        parent_root TEXT NOT NULL,
        reason TEXT NOT NULL,
        declared_by TEXT NOT NULL,
        lost TEXT,
        PRIMARY KEY (leaf)
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
        suspect TEXT NOT NULL,
        recovered_by TEXT,
        acknowledged_by TEXT,
        acknowledged_at TEXT,
        proposed_by TEXT,
        proposed_at TEXT,
        closed_at TEXT,
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
        actor TEXT,
        actor_uid INTEGER,
        actor_login INTEGER,
        note TEXT NOT NULL,
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
    CREATE TABLE log_position (
        log TEXT NOT NULL,
        serial INTEGER NOT NULL,
        version INTEGER NOT NULL,
        position TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (log)
    )
     STRICT
    """,
    """
    CREATE TABLE log_read (
        leaf INTEGER NOT NULL,
        kind TEXT NOT NULL,
        log TEXT NOT NULL,
        at TEXT NOT NULL,
        lines INTEGER NOT NULL,
        queries INTEGER NOT NULL,
        ours INTEGER NOT NULL,
        malformed TEXT NOT NULL,
        newest TEXT,
        position TEXT NOT NULL,
        PRIMARY KEY (leaf)
    )
     STRICT
    """,
    """
    CREATE TABLE log_reference (
        log TEXT NOT NULL,
        segment TEXT NOT NULL,
        signal TEXT NOT NULL,
        trials INTEGER NOT NULL,
        hits INTEGER NOT NULL,
        p0 REAL NOT NULL,
        at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (log, segment, signal)
    )
     STRICT
    """,
    """
    CREATE TABLE log_state (
        log TEXT NOT NULL,
        "key" TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (log, "key")
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
        answered_at TEXT,
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
    CREATE TABLE rollout (
        id TEXT NOT NULL,
        target TEXT NOT NULL,
        expects TEXT NOT NULL,
        expected TEXT NOT NULL,
        share REAL NOT NULL,
        begins TEXT NOT NULL,
        ends TEXT NOT NULL,
        reason TEXT NOT NULL,
        declared_by TEXT NOT NULL,
        declared_at TEXT NOT NULL,
        withdrawn_by TEXT,
        withdrawn_at TEXT,
        withdrawn_why TEXT,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE TABLE rollout_count (
        rollout TEXT NOT NULL,
        subject TEXT NOT NULL,
        replies INTEGER NOT NULL,
        named INTEGER NOT NULL,
        aside INTEGER NOT NULL,
        at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (rollout, subject)
    )
     STRICT
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
        target TEXT,
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
    CREATE TABLE share (
        rule TEXT NOT NULL,
        subject TEXT NOT NULL,
        part REAL NOT NULL,
        alpha REAL NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (rule, subject)
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
    CREATE TABLE text_erased (
        leaf INTEGER NOT NULL,
        at TEXT NOT NULL,
        log TEXT,
        client TEXT,
        "before" TEXT,
        texts INTEGER NOT NULL,
        erased_by TEXT NOT NULL,
        erased_by_uid INTEGER NOT NULL,
        erased_by_login INTEGER,
        reason TEXT NOT NULL,
        PRIMARY KEY (leaf)
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
        exhibit TEXT,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (id)
    )
     STRICT
    """,
    """
    CREATE TABLE weights (
        subject TEXT NOT NULL,
        path TEXT NOT NULL,
        digest TEXT NOT NULL,
        files INTEGER NOT NULL,
        difference TEXT NOT NULL,
        signature TEXT NOT NULL,
        problem TEXT NOT NULL,
        altered_at TEXT,
        at TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (subject)
    )
     STRICT
    """,
)

_VIEWS = (
    """
    CREATE VIEW incident_timeline AS
    SELECT e.incident_id AS incident, i.rule, i.subject, e.kind, e.at, e.severity, e.summary, e.actor, e.note,
        e.id AS event, e.leaf
    FROM incident_event AS e LEFT JOIN incident AS i ON i.id = e.incident_id
    """,
    """
    CREATE VIEW incident_reaction AS
    WITH reached AS (
        SELECT i.id AS incident, i.rule, i.subject, i.severity, i.state, c.disposition, i.opened_at,
            (SELECT min(o.answered_at) FROM incident_event AS e JOIN outbox AS o ON o.event_id = e.id
                WHERE e.incident_id = i.id AND o.state = 'accepted') AS told_at,
            (SELECT min(e.at) FROM incident_event AS e
                WHERE e.incident_id = i.id AND e.kind = 'acknowledged') AS acknowledged_at,
            (SELECT min(e.at) FROM incident_event AS e
                WHERE e.incident_id = i.id AND e.kind = 'recovered') AS recovered_at,
            i.closed_at, i.leaf
        FROM incident AS i LEFT JOIN conclusion AS c ON c.incident_id = i.id
    )
    SELECT incident, rule, subject, severity, state, disposition, opened_at, told_at, acknowledged_at, recovered_at,
        closed_at,
        round((julianday(told_at) - julianday(opened_at)) * 86400, 3) AS seconds_to_told,
        round((julianday(acknowledged_at) - julianday(opened_at)) * 86400, 3) AS seconds_to_acknowledged,
        round((julianday(recovered_at) - julianday(opened_at)) * 86400, 3) AS seconds_to_recovered,
        round((julianday(closed_at) - julianday(opened_at)) * 86400, 3) AS seconds_to_closed, leaf
    FROM reached
    """,
    """
    CREATE VIEW notice_log AS
    SELECT e.incident_id AS incident, i.rule, i.subject, e.kind, e.at, o.notifier, o.state,
        CASE o.state WHEN 'accepted' THEN o.answered_at END AS told_at,
        CASE o.state WHEN 'accepted' THEN round((julianday(o.answered_at) - julianday(e.at)) * 86400, 3) END AS seconds,
        o.attempts, o.answered_at, o.answer, o.notice_id AS notice, o.leaf
    FROM outbox AS o LEFT JOIN incident_event AS e ON e.id = o.event_id LEFT JOIN incident AS i ON i.id = e.incident_id
    """,
    """
    CREATE VIEW blind_window AS
    WITH sign AS (
        SELECT leaf, at, kind, detail FROM run
        UNION ALL
        SELECT leaf, at, 'round', target FROM round
    ), pair AS (
        SELECT leaf, kind, detail, at AS since, lead(at) OVER (ORDER BY leaf) AS until FROM sign
    )
    SELECT 'stopped' AS kind, NULL AS subject, since, until, detail, leaf FROM pair WHERE kind = 'stopped'
    UNION ALL
    SELECT 'unheard', NULL, since, until, 'last sign of life: ' || kind, leaf FROM pair
    WHERE kind <> 'stopped' AND (julianday(until) - julianday(since)) * 86400 > 900
    UNION ALL
    SELECT 'missed', NULL, at, at, detail, leaf FROM run WHERE kind = 'rounds_missed'
    UNION ALL
    SELECT 'skipped', target, at, at, detail, leaf FROM run WHERE kind = 'round_skipped'
    UNION ALL
    SELECT 'blind', i.subject, i.opened_at,
        (SELECT min(e.at) FROM incident_event AS e WHERE e.incident_id = i.id AND e.kind IN ('recovered', 'closed')),
        i.summary, i.leaf
    FROM incident AS i WHERE i.rule = 'blind' OR substr(i.rule, 1, 6) = 'blind.'
    """,
    """
    CREATE VIEW coverage_by_day AS
    SELECT day, target, sum(1 - enrolment - skipped) AS rounds, sum(enrolment) AS enrolment_rounds,
        sum(compared) AS compared, sum(flagged) AS flagged, sum(judged) AS judged, sum(unmeasured) AS unmeasured,
        sum(skipped) AS skipped, sum(tokens) AS tokens
    FROM (
        SELECT substr(started_at, 1, 10) AS day, target, enrolment, compared, flagged, judged, unmeasured, 0 AS skipped,
            tokens
        FROM round
        UNION ALL
        SELECT substr(at, 1, 10), target, 0, 0, 0, 0, 0, 1, 0 FROM run WHERE kind = 'round_skipped'
    )
    GROUP BY 1, 2
    """,
    """
    CREATE VIEW verdicts_by_day AS
    SELECT substr(at, 1, 10) AS day, target, channel, family, arm,
        sum(grade = 'complied') AS complied, sum(grade = 'verbal_only') AS verbal_only,
        sum(grade = 'resisted') AS resisted, sum(grade = 'over_complied') AS over_complied,
        sum(grade = 'unable') AS unable, sum(grade = 'unmeasured') AS unmeasured
    FROM verdict GROUP BY 1, 2, 3, 4, 5
    """,
    """
    CREATE VIEW flagged_reply AS
    SELECT target, at, question, gap, edited, delivered_reply, round_id AS round, id AS comparison, leaf
    FROM comparison WHERE flagged = 1
    """,
)


def upgrade() -> None:
    """Create the tables and views, and the head of an empty tree."""
    for statement in _TABLES + _VIEWS:
        op.execute(statement)
    # The root of no leaves is SHA-256 of nothing (RFC 6962, section 2.1).
    op.execute(
        "INSERT INTO tree (id, size, peaks, root) VALUES "
        "(0, 0, x'', x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')"
    )
