"""What a channel was seen to do, and what follows when it no longer does."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.builders import NOW, at, compared
from watchdog.domain.abilities import Abilities, Ability, Held
from watchdog.domain.decisions import Compared
from watchdog.domain.exchanges import Reason, Unsaid
from watchdog.domain.findings import Severity
from watchdog.domain.logprobs import LogprobComparison
from watchdog.downgrades import BACK, DOWNGRADE, ENROLLED_ANEW, Stepped, describe, enrol, shown, step

LISTED = LogprobComparison(
    unsaid=None, reason=None, tokens=3, spelled=True, largest=0.1, mean=0.05, distance=0.1, tau=0.5
)
ABSENT = LogprobComparison(unsaid=Unsaid.ABSENT, reason=None)
FINE = replace(compared("c1", gap=0.1), logprobs=LISTED)
LISTLESS = replace(FINE, id="c2", logprobs=ABSENT)


def _refused(reason: Reason, *, logprobs: LogprobComparison | None = LISTED) -> Compared:
    return replace(FINE, id="c3", comparison=None, reason=reason, logprobs=logprobs)


def _known(*replies: Compared) -> Abilities:
    found = enrol("t", None, replies or (FINE,), NOW).abilities
    assert found is not None
    return found


def _play(known: Abilities, *rounds: Sequence[Compared], threshold: int = 3) -> tuple[Abilities, list[Stepped]]:
    steps = []
    for number, replies in enumerate(rounds):
        steps.append(step(known, replies, threshold=threshold, at=at(number)))
        known = steps[-1].abilities or known
    return known, steps


@pytest.mark.parametrize(
    ("it", "ability", "has"),
    [
        (FINE, Ability.TOKEN_LOGPROBS, True),
        (LISTLESS, Ability.TOKEN_LOGPROBS, False),
        (replace(FINE, logprobs=None), Ability.TOKEN_LOGPROBS, None),
        (FINE, Ability.TEMPERATURE_ZERO, True),
        (_refused(Reason.TEMPERATURE_REFUSED), Ability.TEMPERATURE_ZERO, False),
        (_refused(Reason.TEMPERATURE_REFUSED), Ability.TOKEN_LOGPROBS, True),
        (_refused(Reason.UNSCORABLE), Ability.TEMPERATURE_ZERO, True),
        (_refused(Reason.HIDDEN_REASONING), Ability.TEMPERATURE_ZERO, None),
        (_refused(Reason.HIDDEN_REASONING), Ability.PLAIN, False),
        (_refused(Reason.CACHED), Ability.FRESH, False),
        (_refused(Reason.CACHED), Ability.TOKEN_LOGPROBS, None),
        (FINE, Ability.NAMES_MODEL, True),
        (replace(FINE, model=""), Ability.NAMES_MODEL, False),
        (_refused(Reason.TIMED_OUT), Ability.FRESH, None),
        (_refused(Reason.MALFORMED), Ability.NAMES_MODEL, None),
    ],
)
def test_a_reply_shows_an_ability_or_lacks_it_or_is_silent(it: Compared, ability: Ability, has: bool | None) -> None:
    assert shown(it).get(ability) is has


def test_only_what_every_reply_showed_counts_as_enrolled() -> None:
    known = _known(FINE, LISTLESS)
    assert not known.enrolled(Ability.TOKEN_LOGPROBS)
    assert known.enrolled(Ability.TEMPERATURE_ZERO)


def test_an_enrolment_that_compared_nothing_tells_nothing() -> None:
    assert enrol("t", None, (), NOW) == Stepped()
    assert step(None, (LISTLESS,), threshold=1, at=NOW) == Stepped()


def test_an_ability_that_is_gone_for_the_threshold_of_rounds_is_a_downgrade() -> None:
    known, steps = _play(_known(), (LISTLESS,), (LISTLESS,), (LISTLESS,), (LISTLESS,))
    assert [it.finding is not None for it in steps] == [False, False, True, True]
    found = steps[2].finding
    assert found is not None
    assert (found.rule, found.subject, found.severity) == (DOWNGRADE, "t", Severity.ERROR)
    assert "tokens come without usable log probabilities, for 3 rounds in a row" in found.summary
    assert "neither their own tokens" in found.summary
    assert found.promise == "A hard rule; no statistical promise."
    assert (found.since, found.evidence) == (at(0), ("c2",))
    assert known.told


def test_one_reply_without_it_is_enough_for_a_round() -> None:
    _, steps = _play(_known(), (FINE, LISTLESS), (LISTLESS, FINE), (FINE, FINE, LISTLESS))
    assert steps[-1].finding is not None


def test_a_round_with_it_begins_the_count_anew() -> None:
    _, steps = _play(_known(), (LISTLESS,), (LISTLESS,), (FINE,), (LISTLESS,), (LISTLESS,))
    assert not any(it.finding for it in steps)


def test_rounds_in_which_the_channel_did_not_answer_change_nothing() -> None:
    silent = (_refused(Reason.TIMED_OUT, logprobs=None),)
    known, steps = _play(_known(), (LISTLESS,), silent, silent, (LISTLESS,), silent)
    assert not any(it.finding for it in steps)
    assert {it.lacking for it in known.held if it.ability is Ability.TOKEN_LOGPROBS} == {2}


def test_what_was_not_there_when_enrolled_is_never_missed() -> None:
    _, steps = _play(_known(LISTLESS), *[(LISTLESS,)] * 5)
    assert not any(it.finding or (it.abilities and it.abilities.told) for it in steps)


def test_it_recovers_when_the_ability_is_back_and_not_when_it_cannot_be_told() -> None:
    silent = (_refused(Reason.TIMED_OUT, logprobs=None),)
    known, steps = _play(_known(), *[(LISTLESS,)] * 3, silent, (FINE,), (FINE,))
    assert [it.recovery.by if it.recovery else "" for it in steps] == ["", "", "", "", BACK, ""]
    assert not known.told


def test_several_abilities_are_one_incident_that_ends_with_the_last() -> None:
    both = (_refused(Reason.TEMPERATURE_REFUSED, logprobs=ABSENT),)
    _, steps = _play(_known(), *[both] * 3, (LISTLESS,), (FINE,))
    found = steps[2].finding
    assert found is not None
    assert "temperature 0 is refused, tokens come without" in found.summary
    assert steps[3].recovery is None
    assert steps[3].finding is not None
    assert steps[4].recovery is not None


@pytest.mark.parametrize("reason", [Reason.CACHED, Reason.HIDDEN_REASONING, Reason.TEMPERATURE_REFUSED])
def test_stored_replies_hidden_reasoning_and_a_refused_temperature_are_downgrades(reason: Reason) -> None:
    _, steps = _play(_known(), *[(_refused(reason),)] * 2, threshold=2)
    assert steps[-1].finding is not None


def test_another_enrolment_ends_what_was_told_before() -> None:
    known, _ = _play(_known(), *[(LISTLESS,)] * 3)
    again = enrol("t", known, (LISTLESS,), at(9))
    assert again.recovery is not None
    assert again.recovery.by == ENROLLED_ANEW
    assert again.abilities is not None
    assert not again.abilities.told


def test_the_tests_of_a_channel_and_why_are_said_in_one_sentence() -> None:
    assert describe(None, lists_agree=False) == "not known before it is enrolled"
    assert "first choices, as it honours temperature 0; its own tokens" in describe(_known(), lists_agree=True)
    assert "not their log probabilities" in describe(_known(), lists_agree=False)
    assert "tokens" not in describe(_known(LISTLESS), lists_agree=False)
    lost = Abilities(subject="t", held=(Held(ability=Ability.TOKEN_LOGPROBS, enrolled=True, lacking=4, since=NOW),))
    assert "WEAKER NOW: tokens come without usable log probabilities since 2026-03-01 12:00" in describe(
        lost, lists_agree=True
    )
