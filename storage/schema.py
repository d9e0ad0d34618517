"""The tables of a ledger. `leaf` is the record; the tables in `DERIVED` are folded from it and can be made again.

What is neither is kept beside the leaves, because it is no decision: exhibits, and how far a log was read.
"""

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
    _text("kind", "started, reloaded, alive, rounds_missed, round_skipped, held_back, shares_allotted or stopped."),
    _text("at", "When, UTC."),
    _text("target", "The target that a skipped round was for; null otherwise.", null=True),
    _text("detail", "Version and configuration digest at a start; the reason at a stop; counts otherwise."),
    comment="When a watchdog took the ledger, that it ran, and when it gave the ledger back.",
)

exhibit = _table(
    "exhibit",
    _text("digest", "SHA-256 of the body, in hex; a leaf names it in `exhibit`.", key=True),
    _int("size", "Bytes of the body."),
    _int("leaf", "Index of the first leaf that names it."),
    Column("body", LargeBinary, nullable=False, comment="The body, compressed with zlib (RFC 1950)."),
    comment="What comparisons and verdicts were made from, once each: it cannot be made again from the leaves.",
)

signing_key = _table(
    "signing_key",
    _int("leaf", "Index of the leaf that this row was folded from.", key=True),
    _text("at", "When it was adopted, UTC."),
    _text("origin", "Name of the ledger in the checkpoints that it signs."),
    _text("key", "The verifier key (C2SP signed-note) that checkpoints after this leaf are signed with."),
    _int("endorsed", "1 when the key before it signed the change; 0 for the first key, and after a loss."),
    comment="Keys that signed the checkpoints of this ledger, oldest first.",
)

fork = _table(
    "fork",
    _int("leaf", "Index of the leaf that this row was folded from.", key=True),
    _text("at", "When it was declared, UTC."),
    _text("origin", "Name of the ledger in its checkpoints from this leaf on."),
    _text("parent_origin", "Name of the ledger up to there."),
    _int("parent_size", "Leaves that are kept of the parent."),
    _text("parent_root", "Merkle root over them, in hex."),
    _text("reason", "Why a backup was restored."),
    _text("declared_by", "Who declared it, and the account that they acted from."),
    _text("lost", "A checkpoint of the parent beyond that size; null when nobody had one.", null=True),
    comment="Where the ledger went on from a backup: leaves of the parent after that may be lost.",
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

benign_bank = _table(
    "benign_bank",
    _int("leaf", "Index of the leaf that this row was folded from.", key=True),
    _text("engine", "Name of the way in which the model was run.", key=True),
    _text("subject", "The target."),
    _text("model", "Digest of the model that scored."),
    _text("runs_on", "What computed the replies."),
    _text("precision", "In which precision."),
    _int("batch_size", "Replies that were computed at once."),
    _text("libraries", "Names and versions of what computed them, as JSON."),
    _int("replies", "Replies that were scored."),
    _int("unmeasured", "Replies that did not come, or could not be scored."),
    _real("half", "Half of the gaps are not above this, in nats."),
    _real("ninety", "Nine in ten are not."),
    _real("ninety_nine", "Ninety-nine in a hundred are not."),
    _real("largest", "The largest gap."),
    _text("digest", "SHA-256 over the gaps in ascending order, each as a big-endian double, in hex."),
    _int("counted", "1 when the threshold was made of it, too; 0 when it only stands beside it."),
    _real("tau", "The threshold that follows, in nats."),
    _real("bound", "The upper confidence bound of the quantile, before its limits."),
    _text("decided_by", "floor, bound or ceiling: what settled the threshold."),
    _real("level", "The quantile."),
    _real("confidence", "The confidence."),
    _text("at", "When it was measured, UTC."),
    comment="What honest engines of each target's own model showed, one row each; the newest leaf is in force.",
)

rollout = _table(
    "rollout",
    _text("id", "Id of the declaration.", key=True),
    _text("target", "The target, with all of its variants."),
    _text("expects", "digest or model_id: what the expected model is named by."),
    _text("expected", "The digest of weights, or the beginning of it; or the model id."),
    _real("share", "The largest share of the replies that may come from it."),
    _text("begins", "From when, UTC."),
    _text("ends", "Until when, UTC."),
    _text("reason", "Why."),
    _text("declared_by", "Who declared it, and the account that they acted from."),
    _text("declared_at", "When it was declared, UTC."),
    _text("withdrawn_by", "Who took it back; null when nobody did.", null=True),
    _text("withdrawn_at", "When, UTC.", null=True),
    _text("withdrawn_why", "Why.", null=True),
    _from_leaf(),
    comment="Declared changes: inside the window and the share, such a model is expected.",
)

rollout_count = _table(
    "rollout_count",
    _text("rollout", "Id of the declaration.", key=True),
    _text("subject", "The target, or its variant.", key=True),
    _int("replies", "Replies that came in its window."),
    _int("named", "How many of them named the expected model id."),
    _int("aside", "How many of these were put aside, and so not looked at."),
    _text("at", "When it last changed, UTC."),
    _from_leaf(),
    comment="What came of the replies in the windows of declared changes.",
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

share = _table(
    "share",
    _text("rule", "The rule.", key=True),
    _text("subject", "What it watches.", key=True),
    _real("part", "What the stream has of the installation's budget of false incidents; never changes."),
    _real("alpha", "Largest expected number of false alarms in the stream's whole life, under the newest budget."),
    _from_leaf(),
    comment="How the false incidents that the installation is allowed are split; removed streams keep their part.",
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

weights = _table(
    "weights",
    _text("subject", "The channel of the target whose model it is.", key=True),
    _text("path", "Where the model is."),
    _text("digest", "SHA-256 over the names and digests of its files, in hex."),
    _int("files", "Number of files."),
    _text("difference", "Files that changed, are missing or were added since the check before, as JSON."),
    _text("signature", "verified, invalid, unchecked or none."),
    _text("problem", "Why the files could not be read; empty when they could."),
    _text("altered_at", "When they last differed from what they were, undeclared, UTC; null when never.", null=True),
    _text("at", "When, UTC."),
    _from_leaf(),
    comment="The files of each model as they were last checked; the leaf names every file with its SHA-256.",
)

ability = _table(
    "ability",
    _text("subject", "The target whose delivered channel it is about.", key=True),
    _text("enrolled", "What every reply showed when it was enrolled, as JSON."),
    _text("lacking", "What replies lack now, with the number of rounds in a row, as JSON."),
    _int("told", "1 while an incident about it is open."),
    _text("at", "When it last changed, UTC."),
    _from_leaf(),
    comment="What each delivered channel was seen to do, on which the tests of its replies hang.",
)

comparison = _table(
    "comparison",
    _text("id", "Id of the comparison.", key=True),
    _text("round_id", "The round it belongs to."),
    _text("target", "The target."),
    _text("at", "When, UTC."),
    _text("question", "Id of the question."),
    _real("gap", "Largest gap in nats at the best tokenisation; null when not measured.", null=True),
    _int("flagged", "1 when the gap is above the threshold; null when not measured, or put aside.", null=True),
    _text("sides", "Gaps and thresholds of our own channels' replies, by whose reply and whose model, as JSON."),
    _text("unsaid", "Why the channel gave no list of tokens that can be used; null when it did.", null=True),
    _int("spelled", "1 when the channel's own tokens spell the reply, 0 when not; null when not known.", null=True),
    _real("logprob_distance", "How far their log probabilities are from the direct model's, in nats.", null=True),
    _int("logprob_flagged", "1 when it is above the threshold; null when it cannot be weighed.", null=True),
    _int("byte_different", "1 when the delivered bytes differ from the direct channel's reply."),
    _text("calls", "Differences of its tool calls: place, delivered, direct, as JSON; null without any.", null=True),
    _real("call_gap", "Gap of calls that differ, in nats; null when not measured.", null=True),
    _text("edited", "The edited words, delivered and expected, as JSON."),
    _text("delivered_reply", "What the delivered channel said."),
    _text("reason", "Why it could not be measured; null when it could.", null=True),
    _text("declared", "The rollout under which it was put aside as no evidence; null otherwise.", null=True),
    _text("exhibit", "Digest of what it was made from, in table exhibit; null when it was not compared.", null=True),
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
    _text("exhibit", "Digest of what it was made from, in table exhibit; null when nothing was answered.", null=True),
    _from_leaf(),
    comment="Graded exchanges of correction probes.",
)

incident = _table(
    "incident",
    _text("id", "Id of the incident.", key=True),
    _text("rule", "The rule that was broken."),
    _text("subject", "What it is about."),
    _text("fingerprint", "SHA-256 of rule and subject: names the incident whatever its severity."),
    _text("state", "open, recovered or closed."),
    _text("severity", "info, warning, error or critical: the highest that it reached."),
    _text("summary", "One line for people."),
    _text("opened_at", "When, UTC."),
    _text("updated_at", "When it last changed, UTC."),
    _int("findings", "Findings it has taken in."),
    _text("suspect", "Who did it, as the newest finding says; see `finding`."),
    _text("recovered_by", "The rule by which it recovered; null when it did not.", null=True),
    _text("acknowledged_by", "Who looks into it; null when nobody said so.", null=True),
    _text("acknowledged_at", "Since when, UTC.", null=True),
    _text("proposed_by", "Who proposed the closing that a second person has to approve; null when none is.", null=True),
    _text("proposed_at", "When it was proposed, UTC.", null=True),
    _text("closed_at", "When it was closed, UTC; null while it is not. See `conclusion`.", null=True),
    _from_leaf(),
    comment="Incidents as they stand now.",
)
Index("incident_one_open", incident.c.fingerprint, unique=True, sqlite_where=text("state = 'open'"))

incident_event = _table(
    "incident_event",
    _text("id", "Id of the event.", key=True),
    _text("incident_id", "The incident."),
    _text("kind", "opened, repeated, escalated, recovered, acknowledged, close_proposed or closed."),
    _text("at", "When, UTC."),
    _text("severity", "Severity after the event."),
    _text("summary", "Summary after the event."),
    _text("actor", "The name that the person who acted gave; null when a rule did.", null=True),
    _int("actor_uid", "User id that the person's process ran as, as the kernel reported it.", null=True),
    _int("actor_login", "User id that logged in, whatever `sudo` made of it; null when not known.", null=True),
    _text("note", "What the person said; empty when nothing."),
    _from_leaf(),
    comment="Every step in the life of every incident.",
)
Index("incident_event_by_incident", incident_event.c.incident_id)

finding = _table(
    "finding",
    _text("id", "SHA-256 of its source: the same finding again changes nothing.", key=True),
    _text("incident_id", "The incident that took it in."),
    _text("event_id", "The step in which it did."),
    _text("rule", "The rule that concluded it."),
    _text("subject", "What it is about."),
    _text("severity", "info, warning, error or critical."),
    _text("seen_at", "When it was concluded, UTC."),
    _real("evidence_value", "The evidence value (e-value) behind it; 1 for a hard rule."),
    _text("suspect", "nobody, unknown, ourselves, wrapper, provider, model or deployed_model."),
    _text("summary", "One line for people."),
    _from_leaf(),
    comment="Every finding that an incident took in.",
)
Index("finding_by_incident", finding.c.incident_id)

conclusion = _table(
    "conclusion",
    _text("incident_id", "The incident.", key=True),
    _text("disposition", "true, false_alarm, expected_change, drill or undetermined."),
    _text("root_cause", "What it was."),
    _text("corrective_action", "What was done; empty when not stated."),
    _text("affected_from", "Since when somebody was affected, UTC; null when not stated.", null=True),
    _text("affected_to", "Until when, UTC; null when not stated.", null=True),
    _text("known_at", "When the operator knew of it, UTC; null when not stated.", null=True),
    _text("affected", "Estimate of what was affected, in words; empty when not stated."),
    _text("reference_list", "Tickets, reports and messages, as JSON."),
    _text("concluded_by", "Name of the person who concluded it."),
    _int("concluded_by_uid", "User id that the person's process ran as."),
    _int("concluded_by_login", "User id that logged in; null when not known.", null=True),
    _text("concluded_at", "When, UTC."),
    _text("approved_by", "Name of the second person; null where none was needed.", null=True),
    _int("approved_by_uid", "User id that the second person's process ran as.", null=True),
    _int("approved_by_login", "User id that logged in; null when not known.", null=True),
    _text("closed_at", "When the incident was closed with it, UTC."),
    _from_leaf(),
    comment="How people closed incidents. What is only proposed is not here.",
)

outbox = _table(
    "outbox",
    _text("notice_id", "Id of the notice, constant over all attempts.", key=True),
    _text("notifier", "The notifier's name."),
    _text("event_id", "The incident event it tells."),
    _text("state", "waiting, accepted or dead."),
    _int("attempts", "Attempts so far."),
    _text("queued_at", "When it was queued, UTC."),
    _text("next_at", "When it is tried next, UTC; null when it is not.", null=True),
    _text("answered_at", "When it was last tried, UTC; null before the first attempt.", null=True),
    _text("answer", "What the receiver last said; null before the first attempt.", null=True),
    _from_leaf(),
    comment="Notices and what became of them.",
)
Index("outbox_due", outbox.c.next_at, sqlite_where=text("state = 'waiting'"))

alarm = _table(
    "alarm",
    _text("id", "Id of the alarm.", key=True),
    _text("log", "The query log."),
    _text("client", "The client it is about."),
    _text("rule", "The rule that alarmed."),
    _text("segment", "The segment of clients whose base rate it was held against."),
    _text("severity", "warning at the level of a ticket, critical at the level of a page."),
    _text("since", "The first request that counted, by the log's time, UTC."),
    _text("seen_at", "The request at which it alarmed, by the log's time, UTC."),
    _real("evidence", "The evidence value then."),
    _real("threshold", "The level that it passed."),
    _real("expected", "False alarms of the rule that are expected in a week at this level, at most."),
    _real("base_rate", "The rate that is taken for benign."),
    _int("hits", "Distinct requests that counted."),
    _int("trials", "Distinct requests that could have."),
    _text("said", "What happened, in words that are not the client's."),
    _text("at", "When it was concluded, UTC."),
    _from_leaf(),
    comment="Alarms of online detectors. What the clients wrote is in `customer_text`, as long as it is not erased.",
)
Index("alarm_by_client", alarm.c.log, alarm.c.client, alarm.c.rule)

log_read = _table(
    "log_read",
    _int("leaf", "Index of the leaf that this row was folded from.", key=True),
    _text("kind", "log_opened or log_read."),
    _text("log", "The query log."),
    _text("at", "When, UTC."),
    _int("lines", "Lines read since the leaf before; 0 when it was opened."),
    _int("queries", "Requests in them."),
    _int("ours", "Requests that were the watchdog's own probes."),
    _text("malformed", "Lines that could not be read, by reason, as JSON."),
    _text("newest", "The newest request, by the log's time, UTC; null when there was none.", null=True),
    _text("position", "SHA-256 of the position afterwards, in hex."),
    comment="How the reading of query logs went on.",
)

client_expected = _table(
    "client_expected",
    _text("log", "The query log.", key=True),
    _text("client", "The client.", key=True),
    _text("rule", "The rule.", key=True),
    _real("rate", "Hits for each distinct request that are expected."),
    _text("until", "Until when it holds, by the log's time, UTC; null when it does not end.", null=True),
    _text("incident", "The incident that it was said about."),
    _text("said_by", "Name of the person who said it."),
    _int("said_by_uid", "User id that the person's process ran as."),
    _int("said_by_login", "User id that logged in; null when not known.", null=True),
    _text("reason", "Why."),
    _text("at", "When, UTC."),
    _from_leaf(),
    comment="What people said is expected of clients; the newest word on each.",
)

log_reference = _table(
    "log_reference",
    _text("log", "The query log.", key=True),
    _text("segment", "The segment of clients.", key=True),
    _text("signal", "What is counted.", key=True),
    _int("trials", "Distinct requests that it was settled from."),
    _int("hits", "How many of them counted."),
    _real("p0", "The rate that evidence is held against."),
    _text("at", "When, UTC."),
    _from_leaf(),
    comment="What is taken for benign in each segment of each log.",
)

text_erased = _table(
    "text_erased",
    _int("leaf", "Index of the leaf that this row was folded from.", key=True),
    _text("at", "When, UTC."),
    _text("log", "Of which log; null for all.", null=True),
    _text("client", "Of which client; null for all.", null=True),
    _text("before", "Of requests before this instant, UTC; null for all.", null=True),
    _int("texts", "How many texts there were."),
    _text("erased_by", "Name of the person who had it done."),
    _int("erased_by_uid", "User id that the person's process ran as."),
    _int("erased_by_login", "User id that logged in; null when not known.", null=True),
    _text("reason", "Why."),
    comment="When texts of customers were erased, and on whose word.",
)

_NOT_FOLDED = "Not folded from the leaves, and left out of what `audit verify` compares: it is state, and no decision."

log_position = _table(
    "log_position",
    _text("log", "The query log.", key=True),
    _int("serial", "Counts what was kept of this log; 0 as long as it was not read."),
    _int("version", "Version of the format of the position."),
    _text("position", "The files, and how far each was read, as JSON."),
    _text("at", "When, UTC."),
    comment=f"How far each query log was read, with all effects in the ledger. {_NOT_FOLDED}",
)

log_state = _table(
    "log_state",
    _text("log", "The query log.", key=True),
    _text("key", "What it is about.", key=True),
    Column("body", LargeBinary, nullable=False, comment="The state, in a versioned format of its owner's."),
    comment=f"What the detectors know at that position. {_NOT_FOLDED}",
)

customer_text = _table(
    "customer_text",
    _text("digest", "SHA-256 of the salt and the text, in hex; leaves of alarms name it.", key=True),
    Column("salt", LargeBinary, nullable=False, comment="Random bytes; without them no text can be tried."),
    _text("text", "What the customer wrote."),
    _text("log", "The query log."),
    _text("client", "The client."),
    _text("at", "When the request came, by the log's time, UTC."),
    comment="What customers wrote, until it is erased (`text_erased`); a row whose text does not give its digest is "
    "ALTERED. Not folded from the leaves, which only have the digests.",
)
Index("customer_text_by_client", customer_text.c.log, customer_text.c.client)

DERIVED = (
    run,
    signing_key,
    fork,
    schedule,
    baseline,
    benign_bank,
    rollout,
    rollout_count,
    stream,
    share,
    round_,
    sight,
    ability,
    weights,
    comparison,
    verdict,
    incident,
    incident_event,
    finding,
    conclusion,
    alarm,
    log_read,
    client_expected,
    log_reference,
    text_erased,
    outbox,
)
"""Tables that `fold` writes, and that can be dropped and made again from the leaves."""
