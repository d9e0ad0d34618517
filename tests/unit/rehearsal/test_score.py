"""Findings held against the gateway's record: what counts as found, and what as wrongly marked."""

import dataclasses

from tests.builders import compared, span
from watchdog.domain.comparisons import Comparison
from watchdog.domain.decisions import Compared
from watchdog.rehearsal.editing import Swap
from watchdog.rehearsal.gateway import Edit
from watchdog.rehearsal.score import DemoResult, score_words

REPLY = "It is risky to run and foolish too."
RECORD = (
    Edit(
        request=1,
        original="It is safe to run and wise too.",
        edited=REPLY,
        words=(
            Swap(start=6, end=11, original="safe", edited="risky"),
            Swap(start=23, end=30, original="wise", edited="foolish"),
        ),
    ),
)


def _marked(*words: tuple[int, int], reply: str = REPLY) -> Compared:
    spans = tuple(dataclasses.replace(span(), start=start, end=end, delivered=reply[start:end]) for start, end in words)
    comparison = Comparison(gap=5.0, tau=0.5, tokens=9, spans=spans)
    return dataclasses.replace(compared(reply=reply), comparison=comparison)


def test_an_edited_word_is_found_when_a_span_meets_it() -> None:
    score = score_words([_marked((6, 11))], RECORD)
    assert (score.edited, score.found, score.wrongly_marked) == (2, 1, 0)


def test_marked_words_that_nobody_touched_are_wrong() -> None:
    score = score_words([_marked((6, 14), (23, 30))], RECORD)
    assert (score.edited, score.found, score.wrongly_marked) == (2, 2, 1)


def test_a_mark_in_a_reply_that_was_not_edited_is_wrong() -> None:
    score = score_words([_marked((0, 2), reply="It is fine.")], RECORD)
    assert (score.edited, score.found, score.wrongly_marked) == (0, 0, 1)


def test_an_edited_reply_that_was_not_flagged_counts_against_us() -> None:
    clean = dataclasses.replace(compared(gap=0.1), delivered_reply=REPLY)
    score = score_words([clean], RECORD)
    assert (score.edited, score.found) == (2, 0)


def test_a_demo_fails_for_each_thing_it_promises() -> None:
    good = DemoResult(
        clean_rounds=8,
        clean_replies=16,
        clean_replies_byte_different=7,
        clean_flagged=0,
        incidents_while_clean=0,
        rounds_to_incident=1,
        seconds_to_page=2.0,
        words_edited=3,
        words_found=3,
        words_wrongly_marked=0,
        recovered=True,
        ledger_ok=True,
        customers_requests=400,
        refused_until_noticed=8,
        flood_paged=True,
        wrongly_accused=0,
        own_probes_in_log=80,
    )
    assert good.failures() == []
    spoiled = {
        "clean_rounds": 7,
        "clean_replies": 0,
        "clean_replies_byte_different": 0,
        "clean_flagged": 1,
        "incidents_while_clean": 1,
        "rounds_to_incident": None,
        "seconds_to_page": None,
        "words_found": 0,
        "recovered": False,
        "ledger_ok": False,
        "refused_until_noticed": None,
        "flood_paged": False,
        "wrongly_accused": 1,
        "own_probes_in_log": 0,
    }
    for name, value in spoiled.items():
        assert len(dataclasses.replace(good, **{name: value}).failures()) == 1, name
