"""What a day may cost: the bound before, the bill after, and what happens when the money is gone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.ledger import SqliteLedger
from storage.memory import MemoryLedger
from tests.builders import NOW, exchange, request
from tests.watching import Watching, fails, yes
from watchdog import budget
from watchdog.domain.decisions import RoundDone, RoundSkipped
from watchdog.domain.exchanges import Message, Reason, Request, Speaker
from watchdog.domain.incidents import IncidentState
from watchdog.errors import ChannelError, ConfigError

_BOUND = 2 * (16 + 8) + len("stop/control") + len("stop/correction")
"""What a round of `Watching` may cost: two requests of one message and eight tokens each."""
_COST = 3 + 1 + 4 + 1
"""What it does cost, at four characters a token."""
NEXT_DAY = timedelta(days=1)


def _open(world: Watching) -> list[str]:
    assert isinstance(world.ledger, MemoryLedger)
    return [it.rule for it in world.ledger.incidents(IncidentState.OPEN)]


def test_a_round_within_the_budget_is_sent_and_its_cost_recorded() -> None:
    world = Watching(MemoryLedger(), budget=_BOUND)
    report = world.run()
    assert report.skipped is None
    assert report.done.tokens == _COST
    assert world.ledger.tokens_spent("t", NOW.date()) == _COST


def test_a_round_that_might_exceed_the_budget_is_not_sent_and_says_so() -> None:
    world = Watching(MemoryLedger(), budget=_BOUND + _COST - 1)
    world.run()
    sent = len(world.asked)

    report = world.run()
    assert len(world.asked) == sent
    assert report.skipped is not None
    assert (report.skipped.needed, report.skipped.spent) == (_BOUND, _COST)
    assert "budget is spent" in report.blind
    (finding,) = report.findings
    assert (finding.rule, finding.subject) == ("blind.budget", "t")
    assert finding.promise == "A hard rule; no statistical promise."
    assert isinstance(world.ledger, MemoryLedger)
    kinds = [type(it) for it in world.ledger.decisions]
    assert (kinds.count(RoundDone), kinds.count(RoundSkipped)) == (1, 1)


def test_the_next_utc_day_has_a_budget_of_its_own_and_ends_the_incident() -> None:
    world = Watching(MemoryLedger(), budget=_BOUND)
    world.run()
    world.run()
    assert _open(world) == ["blind.budget"]

    world.time += NEXT_DAY
    report = world.run()
    assert report.skipped is None
    assert [(it.rule, it.by) for it in report.recoveries] == [("blind.budget", "within-budget")]
    assert _open(world) == []


def test_a_full_budget_pages_once_however_many_rounds_it_keeps_back() -> None:
    world = Watching(MemoryLedger(), budget=1)
    for _ in range(5):
        world.run()
    assert len(world.ledger.due(NOW, 10)) == 1


def test_a_restart_does_not_forget_what_was_spent(tmp_path: Path) -> None:
    skipped = []
    for _ in range(3):
        with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
            skipped.append(Watching(ledger, budget=_BOUND + _COST).run().skipped is not None)
    assert skipped == [False, False, True]


def test_a_channel_in_this_process_costs_nothing() -> None:
    world = Watching(MemoryLedger(), hosts={"t": ""}, budget=1)
    report = world.run()
    assert (report.skipped, report.done.tokens) == (None, 0)


def test_rounds_kept_back_do_not_end_or_lengthen_a_blind_incident() -> None:
    world = Watching(MemoryLedger(), threshold=1)
    world.run(says=fails(Reason.SERVER_ERROR))
    world.budget = 1
    world.run()
    assert sorted(_open(world)) == ["blind", "blind.budget"]


def test_an_enrolment_over_the_budget_is_refused_before_anything_is_sent() -> None:
    world = Watching(MemoryLedger(), budget=_BOUND)
    with pytest.raises(ConfigError, match="enrolling may cost 300 tokens, and 0 of 75 are spent") as caught:
        world.enrolling().enrol(world.target(), questions=20, corrections=4)
    assert "max-tokens-per-day" in caught.value.hint
    assert world.asked == []


def test_an_enrolment_that_fails_has_cost_what_it_cost() -> None:
    world = Watching(MemoryLedger(), says={"t": fails(Reason.MALFORMED)})
    with pytest.raises(ChannelError):
        world.enrolling().enrol(world.target(), questions=20, corrections=4)
    assert world.ledger.tokens_spent("t", NOW.date()) > 0


def test_a_day_is_a_day_in_utc_wherever_the_clock_is() -> None:
    evening = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(-timedelta(hours=5)))
    assert budget.day_of(evening) == datetime(2026, 3, 2, tzinfo=UTC).date()


def test_an_hour_back_across_midnight_counts_to_the_day_it_shows() -> None:
    world = Watching(MemoryLedger(), budget=_BOUND, time=datetime(2026, 3, 2, 0, 10, tzinfo=UTC))
    world.run()
    world.time -= timedelta(hours=1)
    assert world.run().skipped is None
    world.time += timedelta(hours=1)
    assert world.run().skipped is not None


def test_what_the_channel_says_it_cost_is_believed() -> None:
    assert budget.used(request(), replace(exchange("yes"), tokens=123)) == 123


@pytest.mark.parametrize(
    ("reason", "costs"),
    [(Reason.UNREACHABLE, False), (Reason.UNAUTHORIZED, False), (Reason.TIMED_OUT, True), (Reason.BLOCKED, True)],
)
def test_a_failure_costs_all_it_could_unless_no_model_can_have_read_it(reason: Reason, costs: bool) -> None:
    answer = ChannelError("no reply", hint="wait", reason=reason)
    assert (budget.used(request(), answer) >= request().max_tokens) is costs


@given(st.lists(st.text(), min_size=1, max_size=4), st.text(max_size=200))
def test_the_bound_is_never_below_the_estimate(texts: list[str], reply: str) -> None:
    messages = tuple(Message(speaker=Speaker.USER, text=text) for text in texts)
    asked = Request(messages=messages, max_tokens=max(1, len(reply)))
    assert budget.used(asked, exchange(reply)) <= budget.most([asked])
    assert budget.used(asked, ChannelError("", hint="", reason=Reason.TIMED_OUT)) <= budget.most([asked])


def test_surrogates_in_a_text_do_not_stop_the_count() -> None:
    message = Message(speaker=Speaker.USER, text="\ud800")
    assert budget.most([Request(messages=(message,), max_tokens=1)]) > 0


def test_yes_costs_one_token() -> None:
    assert budget.used(request("1234"), exchange(yes(request()))) == 2
