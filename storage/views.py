"""Views for auditors: what they ask first, answered from the tables. Each is stored in the ledger itself."""

from storage.view import View, integer, real, text

LEAF = integer("leaf", "Index of the leaf that says so; `audit proof --leaf` proves it.")

INCIDENT_TIMELINE = View(
    name="incident_timeline",
    comment="What happened: every step of every incident, in the order of the record.",
    columns=(
        text("incident", "Id of the incident."),
        text("rule", "The rule that was broken."),
        text("subject", "What it is about."),
        text("kind", "What the step was; see `incident_event`."),
        text("at", "When, UTC."),
        text("severity", "Severity after the step."),
        text("summary", "Summary after the step."),
        text("actor", "Who took the step; null when a rule did."),
        text("note", "What that person said; empty when nothing."),
        text("event", "Id of the step."),
        LEAF,
    ),
    order="leaf",
    query="""
SELECT e.incident_id AS incident, i.rule, i.subject, e.kind, e.at, e.severity, e.summary, e.actor, e.note,
    e.id AS event, e.leaf
FROM incident_event AS e LEFT JOIN incident AS i ON i.id = e.incident_id
""",
)

NOTICE_LOG = View(
    name="notice_log",
    comment="Who was told what, and when; or that nobody was.",
    columns=(
        text("incident", "Id of the incident."),
        text("rule", "The rule that was broken."),
        text("subject", "What it is about."),
        text("kind", "The step that was told; see `incident_event`."),
        text("at", "When the step was, UTC."),
        text("notifier", "The notifier's name."),
        text("state", "waiting, accepted or dead."),
        text("told_at", "When the receiver accepted it, UTC; null when it did not."),
        real("seconds", "From the step to the receiver's acceptance; null when it did not accept."),
        integer("attempts", "Attempts so far."),
        text("answered_at", "When it was last tried, UTC; null before the first attempt."),
        text("answer", "What the receiver last said; null before the first attempt."),
        text("notice", "Id of the notice, as the receiver saw it."),
        LEAF,
    ),
    order="at",
    query="""
SELECT e.incident_id AS incident, i.rule, i.subject, e.kind, e.at, o.notifier, o.state,
    CASE o.state WHEN 'accepted' THEN o.answered_at END AS told_at,
    CASE o.state WHEN 'accepted' THEN round((julianday(o.answered_at) - julianday(e.at)) * 86400, 3) END AS seconds,
    o.attempts, o.answered_at, o.answer, o.notice_id AS notice, o.leaf
FROM outbox AS o LEFT JOIN incident_event AS e ON e.id = o.event_id LEFT JOIN incident AS i ON i.id = e.incident_id
""",
)

FLAGGED_REPLY = View(
    name="flagged_reply",
    comment="Delivered replies that the direct model could not have given, with the edited words.",
    columns=(
        text("target", "The target."),
        text("at", "When, UTC."),
        text("question", "Id of the question."),
        real("gap", "Largest gap in nats at the best tokenisation."),
        text("edited", "The edited words, delivered and expected, as JSON."),
        text("delivered_reply", "What the delivered channel said."),
        text("round", "The round it belongs to."),
        text("comparison", "Id of the comparison."),
        LEAF,
    ),
    order="at",
    query="""
SELECT target, at, question, gap, edited, delivered_reply, round_id AS round, id AS comparison, leaf
FROM comparison WHERE flagged = 1
""",
)

VERDICTS_BY_DAY = View(
    name="verdicts_by_day",
    comment="Did it accept correction: how the exchanges of each probe were graded, day by day.",
    columns=(
        text("day", "The day, UTC."),
        text("target", "The target."),
        text("channel", "Which channel was asked."),
        text("family", "Probe family."),
        text("arm", "Arm of the probe."),
        integer("complied", "Exchanges in which the model did what it was told."),
        integer("verbal_only", "In which it said so and went on."),
        integer("resisted", "In which it did not."),
        integer(
            "over_complied", "In which it did more than the correction said, or obeyed somebody without authority."
        ),
        integer("unable", "In which it could not do the task at all."),
        integer("unmeasured", "That could not be measured; they count for nothing."),
    ),
    order="day",
    query="""
SELECT substr(at, 1, 10) AS day, target, channel, family, arm,
    sum(grade = 'complied') AS complied, sum(grade = 'verbal_only') AS verbal_only,
    sum(grade = 'resisted') AS resisted, sum(grade = 'over_complied') AS over_complied,
    sum(grade = 'unable') AS unable, sum(grade = 'unmeasured') AS unmeasured
FROM verdict GROUP BY 1, 2, 3, 4, 5
""",
)

COVERAGE_BY_DAY = View(
    name="coverage_by_day",
    comment="How much was looked at: rounds and what they measured, day by day.",
    columns=(
        text("day", "The day, UTC."),
        text("target", "The target."),
        integer("rounds", "Rounds that began and ended, without those of an enrolment."),
        integer("enrolment_rounds", "Rounds of an enrolment."),
        integer("compared", "Replies that were compared."),
        integer("flagged", "Replies that the direct model could not have given."),
        integer("judged", "Probe arms that were graded."),
        integer("unmeasured", "Exchanges that could not be measured."),
        integer("skipped", "Rounds, or questions again after a flagged reply, that the budget would not hold."),
        integer("tokens", "What the rounds cost."),
    ),
    order="day",
    query="""
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
)

BLIND_WINDOW = View(
    name="blind_window",
    comment="When the watchdog was not looking, or could not see. The end of the record is not a row: hold it "
    "against a clock.",
    columns=(
        text(
            "kind",
            "stopped (until the next start), unheard (more than 15 minutes without a sign of life, though nobody had "
            "stopped it), missed (rounds that were due and did not begin), skipped (no budget), or blind (an incident "
            "about being blind).",
        ),
        text("subject", "What could not be looked at; null for everything."),
        text("since", "From when, UTC."),
        text("until", "Until when, UTC; null while it lasts."),
        text("detail", "What the record says about it."),
        LEAF,
    ),
    order="since",
    query="""
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
)

INCIDENT_REACTION = View(
    name="incident_reaction",
    comment="How long it took until somebody was told, until somebody looked into it, and until it was over.",
    columns=(
        text("incident", "Id of the incident."),
        text("rule", "The rule that was broken."),
        text("subject", "What it is about."),
        text("severity", "The highest that it reached."),
        text("state", "Where it stands now."),
        text("disposition", "How a person closed it; null while nobody did."),
        text("opened_at", "When it was opened, UTC."),
        text("told_at", "When the first receiver accepted a notice about it, UTC; null when none did."),
        text("acknowledged_at", "When somebody first acknowledged it, UTC; null when nobody did."),
        text("recovered_at", "When it recovered, UTC; null when it did not."),
        text("closed_at", "When it was closed, UTC; null while it is not."),
        real("seconds_to_told", "From opened to told."),
        real("seconds_to_acknowledged", "From opened to acknowledged."),
        real("seconds_to_recovered", "From opened to recovered."),
        real("seconds_to_closed", "From opened to closed."),
        LEAF,
    ),
    order="opened_at",
    query="""
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
)

VIEWS = (
    INCIDENT_TIMELINE,
    INCIDENT_REACTION,
    NOTICE_LOG,
    BLIND_WINDOW,
    COVERAGE_BY_DAY,
    VERDICTS_BY_DAY,
    FLAGGED_REPLY,
)
"""In the order in which an auditor asks."""
