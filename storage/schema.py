"""The tables of a ledger. `leaf` is the record; every other table is folded from it and can be made again."""

from sqlalchemy import REAL, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData()


def _table(name: str, *columns: Column[object] | Index, comment: str) -> Table:
    return Table(name, metadata, *columns, comment=comment, sqlite_strict=True)


def _text(name: str, comment: str, *, null: bool = False, key: bool = False) -> Column[object]:
    return Column(name, Text, primary_key=key, nullable=null, comment=comment)


def _int(name: str, comment: str, *, null: bool = False, key: bool = False) -> Column[object]:
    return Column(name, Integer, primary_key=key, nullable=null, comment=comment, autoincrement=False)


def _real(name: str, comment: str, *, null: bool = False) -> Column[object]:
    return Column(name, REAL, nullable=null, comment=comment)


def _from_leaf() -> Column[object]:
    return _int("leaf", "Index of the leaf that this row was folded from last.")


leaf = _table(
    "leaf",
    _int("idx", "Position in the ledger, from 0, without a gap.", key=True),
    Column("body", LargeBinary, nullable=False, comment="The decision in canonical JSON (RFC 8785), verbatim."),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256(0x00 || body): tells which leaf was altered."),
    comment="The record: one decision each. Only ever added to.",
)

tree = _table(
    "tree",
    _int("id", "Always 0: there is one head.", key=True),
    _int("size", "Number of leaves."),
    Column("peaks", LargeBinary, nullable=False, comment="Roots of the perfect subtrees, 32 bytes each."),
    Column("root", LargeBinary, nullable=False, comment="Merkle tree hash of all leaves (RFC 6962)."),
    _text("checkpoint", "Size and root as a signed note (C2SP tlog-checkpoint); null when unsigned.", null=True),
    comment="The head of the Merkle tree over the leaves.",
)

run = _table(
    "run",
    _int("leaf", "Index of the leaf that this row was folded from.", key=True),
    _text("kind", "started, reloaded, alive, rounds_missed, round_skipped or stopped."),
    _text("at", "When, UTC."),
    _text("detail", "Version and configuration digest at a start; the reason at a stop; counts otherwise."),
    comment="When a watchdog took the ledger, that it ran, and when it gave the ledger back.",
)

signing_key = _table(
    "signing_key",
    _int("leaf", "Index of the leaf that this row was folded from.", key=True),
    _text("at", "When it was adopted, UTC."),
    _text("origin", "Name of the ledger in its checkpoints, for life."),
    _text("key", "The verifier key (C2SP signed-note) that checkpoints after this leaf are signed with."),
    _int("endorsed", "1 when the key before it signed the change; 0 for the first key, and after a loss."),
    comment="Keys that signed the checkpoints of this ledger, oldest first.",
)

schedule = _table(
    "schedule",
    _int("leaf", "Index of the leaf that this row was folded from.", key=True),
    _text("kind", "schedule_committed or schedule_revealed."),
    _text("at", "When, UTC."),
    _text("day", "The UTC day whose rounds it is about."),
    _text("value", "SHA-256 of the day's seed, or the seed itself; in hex."),
    comment="What the times of each day's rounds were drawn from: first hidden, later shown.",
)

baseline = _table(
    "baseline",
    _text("rule", "The rule whose null this is.", key=True),
    _text("subject", "What the rule watches.", key=True),
    _int("trials", "Observations when it was enrolled."),
    _int("hits", "How many of them looked like what the rule looks for."),
    _real("tau", "Threshold of the gap test in nats.", null=True),
    _text("model", "Digest of the weights, or the model id."),
    _text("enrolled_at", "When, UTC."),
    _from_leaf(),
    comment="What each stream looked like when all was taken to be well; the newest enrolment of each.",
)

stream = _table(
    "stream",
    _text("rule", "The rule.", key=True),
    _text("subject", "What it watches.", key=True),
    _real("evidence", "The evidence value (e-value): 1 is nothing seen, large speaks against `all is well`."),
    _int("trials", "Observations since the stream was armed."),
    _int("hits", "How many of them were hits."),
    _int("alarmed", "1 from the alarm until the recovery, otherwise 0."),
    _int("alarms", "Alarms in the life of the stream."),
    _text("at", "When it last moved, UTC."),
    _from_leaf(),
    comment="The running evidence about each rule and subject.",
)

round_ = _table(
    "round",
    _text("id", "Id of the round.", key=True),
    _text("target", "The target."),
    _text("started_at", "When it began, UTC."),
    _text("at", "When it ended, UTC."),
    _int("seed", "Seed that its questions and probes were drawn with."),
    _int("compared", "Replies that were compared."),
    _int("flagged", "Replies that the direct model could not have given."),
    _int("judged", "Probe arms that were graded."),
    _int("unmeasured", "Exchanges that could not be measured."),
    _int("tokens", "What it cost, as the channels say it, or estimated where they do not."),
    _int("enrolment", "1 when the round was part of an enrolment."),
    _from_leaf(),
    comment="Rounds that ended.",
)
Index("round_by_target", round_.c.target, round_.c.started_at)

sight = _table(
    "sight",
    _text("rule", "The rule about being blind.", key=True),
    _text("subject", "What cannot be looked at.", key=True),
    _int("rounds", "Rounds in a row that could not measure; 0 when the last one could."),
    _text("since", "When that began, UTC; null when the last round could measure.", null=True),
    _text("dark", "What could not be measured and why, as JSON."),
    _int("offline", "1 when no endpoint could be reached in the last round."),
    _int("told", "1 while an incident about it is open."),
    _text("at", "When it last changed, UTC."),
    _from_leaf(),
    comment="What the last rounds could not look at.",
)

comparison = _table(
    "comparison",
    _text("id", "Id of the comparison.", key=True),
    _text("round_id", "The round it belongs to."),
    _text("target", "The target."),
    _text("at", "When, UTC."),
    _text("question", "Id of the question."),
    _real("gap", "Largest gap in nats at the best tokenisation; null when not measured.", null=True),
    _int("flagged", "1 when the gap is above the threshold; null when not measured.", null=True),
    _int("byte_different", "1 when the delivered bytes differ from the direct channel's reply."),
    _text("edited", "The edited words, delivered and expected, as JSON."),
    _text("delivered_reply", "What the delivered channel said."),
    _text("reason", "Why it could not be measured; null when it could.", null=True),
    _from_leaf(),
    comment="Delivered replies held against the direct model.",
)

verdict = _table(
    "verdict",
    _text("id", "Id of the verdict.", key=True),
    _text("round_id", "The round it belongs to."),
    _text("target", "The target."),
    _text("channel", "Which channel was asked."),
    _text("family", "Probe family."),
    _text("arm", "Arm of the probe."),
    _text("at", "When, UTC."),
    _text("grade", "complied, verbal_only, resisted, over_complied, unable or unmeasured."),
    _text("reason", "Why it is unmeasured; null otherwise.", null=True),
    _text("why", "The grader's sentence."),
    _text("reply", "What the model said."),
    _from_leaf(),
    comment="Graded exchanges of correction probes.",
)

incident = _table(
    "incident",
    _text("id", "Id of the incident.", key=True),
    _text("rule", "The rule that was broken."),
    _text("subject", "What it is about."),
    _text("fingerprint", "SHA-256 of rule and subject: names the incident whatever its severity."),
    _text("state", "open or recovered."),
    _text("severity", "info, warning, error or critical."),
    _text("summary", "One line for people."),
    _text("opened_at", "When, UTC."),
    _text("updated_at", "When it last changed, UTC."),
    _int("findings", "Findings it has taken in."),
    _text("recovered_by", "The rule by which it recovered; null while open.", null=True),
    _from_leaf(),
    comment="Incidents as they stand now.",
)
Index("incident_one_open", incident.c.fingerprint, unique=True, sqlite_where=text("state = 'open'"))

incident_event = _table(
    "incident_event",
    _text("id", "Id of the event.", key=True),
    _text("incident_id", "The incident."),
    _text("kind", "opened, repeated, escalated or recovered."),
    _text("at", "When, UTC."),
    _text("severity", "Severity after the event."),
    _text("summary", "Summary after the event."),
    _from_leaf(),
    comment="Every step in the life of every incident.",
)
Index("incident_event_by_incident", incident_event.c.incident_id)

outbox = _table(
    "outbox",
    _text("notice_id", "Id of the notice, constant over all attempts.", key=True),
    _text("notifier", "The notifier's name."),
    _text("event_id", "The incident event it tells."),
    _text("state", "waiting, accepted or dead."),
    _int("attempts", "Attempts so far."),
    _text("queued_at", "When it was queued, UTC."),
    _text("next_at", "When it is tried next, UTC; null when it is not.", null=True),
    _text("answer", "What the receiver last said; null before the first attempt.", null=True),
    _from_leaf(),
    comment="Notices and what became of them.",
)
Index("outbox_due", outbox.c.next_at, sqlite_where=text("state = 'waiting'"))

DERIVED = (
    run,
    signing_key,
    schedule,
    baseline,
    stream,
    round_,
    sight,
    comparison,
    verdict,
    incident,
    incident_event,
    outbox,
)
"""Tables that `fold` writes, and that can be dropped and made again from the leaves."""
