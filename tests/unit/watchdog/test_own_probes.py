"""Our own probes have to appear in the log that we read: in time, once, and as they were sent."""

from datetime import timedelta

import pytest

from storage.memory import MemoryLedger
from tests.builders import NOW, at
from tests.streams import LOG, Flowing, line
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Message, Reason, Request, Speaker
from watchdog.domain.findings import Finding
from watchdog.domain.queries import Query
from watchdog.errors import ChannelError, LedgerError
from watchdog.query_logs.announcing import Announced
from watchdog.query_logs.own_probes import Fate, OwnProbes, Wrong

LATE = 601.0


def asked(text: str = "please stop") -> Request:
    return Request(messages=(Message(speaker=Speaker.USER, text=text),), max_tokens=8)


def seen(text: str = "please stop", *, seconds: float = 1.0, client: str = "us", status: int | None = None) -> Query:
    return Query(at=NOW.timestamp() + seconds, client=client, prompt=text, status=status)


def sent(text: str = "please stop", *, seconds: float = 0.0, own: OwnProbes | None = None) -> OwnProbes:
    own = own or OwnProbes()
    own.answered(own.sending(asked(text), at(0) + timedelta(seconds=seconds)))
    return own


def fates(own: OwnProbes, seconds: float = LATE) -> list[Fate]:
    then = NOW + timedelta(seconds=seconds)
    return [it.fate for it in own.settle(then, then)]


def test_a_probe_that_appears_once_is_taken_out_and_nothing_is_wrong() -> None:
    own = sent()
    assert own.take([seen(), seen("something else", client="alice")]) == [seen("something else", client="alice")]
    assert fates(own) == []


def test_a_probe_that_does_not_appear_in_time_is_missing_and_told_once() -> None:
    own = sent()
    own.take([seen("hello", client="alice")])
    assert fates(own, seconds=599) == []
    assert own.settle(at(700), at(700)) == [Wrong(fate=Fate.MISSING, sent_at=NOW)]
    assert own.settle(at(800), at(800)) == []


def test_only_the_logs_own_time_ends_the_wait_so_that_a_log_read_late_accuses_nobody() -> None:
    own = sent()
    own.take([seen("hello", client="alice")])
    assert own.settle(at(10), at(9_000)) == []
    assert own.settle(None, at(9_000)) == []


def test_a_probe_that_appears_twice_is_doubled() -> None:
    own = sent()
    own.take([seen(), seen(seconds=2)])
    assert fates(own) == [Fate.DOUBLED]


def test_an_answer_with_an_error_does_not_count_as_an_appearance() -> None:
    own = sent()
    own.take([seen(status=503), seen(seconds=2, status=200)])
    assert fates(own) == []


def test_two_probes_with_one_text_are_two_probes() -> None:
    own = sent(own=sent(), seconds=1)
    own.take([seen(), seen(seconds=2)])
    assert fates(own, seconds=LATE + 1) == []


def test_a_probe_whose_text_was_changed_on_the_way_is_told_as_changed() -> None:
    own = sent("what is the capital of France", own=sent())
    own.take([seen(), seen("what is the capital of Spain", seconds=2)])
    assert fates(own) == [Fate.CHANGED]


def test_another_request_of_ours_does_not_pass_for_a_changed_probe() -> None:
    own = sent("what is the capital of France", own=sent())
    own.take([seen(), seen("12345", seconds=2)])
    assert fates(own) == [Fate.MISSING]


def test_somebody_else_who_sends_the_same_is_a_client_like_any_other() -> None:
    own = sent()
    assert own.take([seen(), seen(seconds=2, client="alice")]) == [seen(seconds=2, client="alice")]
    assert fates(own) == []


def test_a_probe_without_an_answer_may_appear_or_not() -> None:
    own = OwnProbes()
    own.sending(asked(), NOW)
    own.take([seen("hello", client="alice")])
    assert fates(own) == []


def test_a_log_without_prompts_accuses_nobody() -> None:
    own = sent()
    own.take([Query(at=NOW.timestamp(), client="us")])
    assert fates(own) == []
    assert not own.sees_prompts


def test_what_was_sent_survives_a_restart_and_what_was_settled_does_not_come_back() -> None:
    own = sent("second", own=sent())
    own.take([seen()])
    state = {key: body for key, body in own.changed().items() if body is not None}
    own.committed(state)
    assert own.changed() == {}

    again = OwnProbes()
    again.restore(state)
    again.take([seen("hello", client="alice")])
    assert fates(again) == [Fate.MISSING]
    assert set(again.changed()) == set(state)
    assert set(again.changed().values()) == {None}


def test_what_changed_while_it_was_being_kept_is_kept_the_next_time() -> None:
    own = sent()
    changed = own.changed()
    own.take([seen()])
    own.committed(changed)
    assert own.changed() != {}


def test_lines_that_are_read_again_after_a_fault_do_not_double_what_was_in_them() -> None:
    own = sent()
    kept = {key: body for key, body in own.changed().items() if body is not None}
    own.committed(kept)
    sent("second", seconds=1, own=own)
    lines = [seen(), seen("second", seconds=2)]
    assert own.take(lines) == []

    own.restore(kept)
    assert own.take(lines) == []
    assert fates(own) == []


def test_an_answer_that_came_after_the_last_commit_is_not_forgotten_when_the_log_is_opened_again() -> None:
    own = OwnProbes()
    id_ = own.sending(asked(), NOW)
    kept = {key: body for key, body in own.changed().items() if body is not None}
    own.answered(id_)
    own.restore(kept)
    own.take([seen("hello", client="alice")])
    assert fates(own) == [Fate.MISSING]


def test_a_first_reading_that_failed_before_it_was_recorded_doubles_nothing() -> None:
    own = sent()
    lost = Flowing(MemoryLedger(), own=own)
    lost.flow(line("us", "please stop"))

    ledger = MemoryLedger()
    flowing = Flowing(ledger, own=own)
    flowing.flow(line("us", "please stop"))
    flowing.flow(line("alice", seconds=LATE + 9), seconds=LATE + 9)
    assert findings(ledger) == []


def test_the_state_of_another_version_is_refused() -> None:
    with pytest.raises(LedgerError):
        OwnProbes().restore({"own/x": b'{"v":2}'})


def test_a_channel_says_what_it_sends_before_it_sends_it_and_whether_an_answer_came() -> None:
    own, known = OwnProbes(), []

    class Delivered:
        role = ChannelRole.DELIVERED

        def ask(self, request: Request) -> Exchange:
            known.append(own.take([seen(request.messages[-1].text)]))
            if request.messages[-1].text == "fail":
                raise ChannelError("no reply", hint="wait", reason=Reason.TIMED_OUT)
            return Exchange(
                channel=ChannelRole.DELIVERED,
                request=request,
                reply="yes",
                finish=FinishReason.STOP,
                model="m",
                asked_at=NOW,
                seconds=0.1,
                cached=request.messages[-1].text == "cached",
            )

    channel = Announced(Delivered(), (own,), lambda: NOW)
    assert channel.ask(asked("first")).reply == "yes"
    channel.ask(asked("cached"))
    with pytest.raises(ChannelError):
        channel.ask(asked("fail"))
    assert known == [[], [], []]
    assert channel.role is ChannelRole.DELIVERED
    assert own.waits_since() is None


def findings(ledger: MemoryLedger) -> list[Finding]:
    events = [event for it in ledger.incidents() for event in ledger.events(it.id)]
    return [it.finding for it in events if it.finding is not None]


def test_a_missing_probe_is_log_integrity_even_when_the_process_was_killed_in_between() -> None:
    ledger = MemoryLedger()
    own = OwnProbes()
    flowing = Flowing(ledger, own=own)
    own.answered(own.sending(asked(), flowing.time))
    flowing.flow(line("alice"))
    flowing = flowing.again()
    flowing.flow(line("alice", seconds=LATE + 9), seconds=LATE + 9)

    (finding,) = findings(ledger)
    assert (finding.rule, finding.subject) == ("log_integrity", LOG)
    assert "1 of our own probes missing in it" in finding.summary
    assert "please stop" not in repr(finding)


def test_a_log_that_stays_silent_although_probes_were_answered_is_blind() -> None:
    ledger = MemoryLedger()
    own = OwnProbes()
    flowing = Flowing(ledger, own=own)
    own.answered(own.sending(asked(), flowing.time))
    flowing.step(seconds=599)
    assert findings(ledger) == []
    flowing.step(seconds=2)
    (finding,) = findings(ledger)
    assert (finding.rule, finding.severity) == ("blind.log", "error")
