"""Calls of a delivered reply held against the direct model's own, and against its probabilities where it has any."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from detectors.divergence.calls import CallTest
from tests.builders import exchange
from tests.unit.detectors.parrot import Parrot
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Reason
from watchdog.domain.spoken_calls import spellings
from watchdog.domain.tools import Tool, ToolCall
from watchdog.ports import Scorer

TOOL = Tool(name="pay", description="Pay.", parameters="{}")
OURS = ToolCall.of("pay", '{"amount": 25}')
EDITED = ToolCall.of("pay", '{"amount": 95}')
TAU = 0.5


@dataclass(frozen=True)
class Offering(Parrot):
    """A parrot that knows texts only for conversations in which it is offered tools."""

    def offering(self, tools: Sequence[Tool]) -> Scorer:
        assert tools == (TOOL,)
        return Parrot(self.texts, self.more, self.rivals)


def said(*calls: ToolCall, text: str = "", role: ChannelRole = ChannelRole.DELIVERED) -> Exchange:
    it = exchange(text)
    return replace(it, channel=role, tool_calls=calls, request=replace(it.request, tools=(TOOL,)))


def ours(*calls: ToolCall, text: str = "") -> Exchange:
    return said(*calls, text=text, role=ChannelRole.DIRECT)


def model(*, rival: float | None = None, way: int = 0) -> Offering:
    """Return a model that knows its own call by heart, in one of the ways to write it; 95 may be nearly as likely."""
    before, value, after = list(spellings("", [OURS]))[way].partition("25")
    if rival is None:
        return Offering(((before, value, after),), more=("95",))
    return Offering(((before, value, after), (before, "95", after)), rivals={"25": ("95", rival)})


def test_the_same_call_is_no_difference_and_nothing_is_scored() -> None:
    scorer = model()
    found = CallTest(scorer=scorer).examine(said(ToolCall.of("pay", '{"amount":25.0}')), ours(OURS), tau=TAU)
    assert (found.reason, found.differences, found.gap, found.flagged) == (None, (), None, False)
    assert scorer.calls == []


def test_an_edited_argument_is_a_hit_with_its_gap() -> None:
    found = CallTest(scorer=model()).examine(said(EDITED), ours(OURS), tau=TAU)
    assert [str(it) for it in found.differences] == ["arguments.amount: 95 where the direct model says 25"]
    assert found.gap is not None
    assert found.gap > TAU
    assert found.flagged


def test_a_value_that_was_nearly_as_likely_is_a_difference_and_no_hit() -> None:
    found = CallTest(scorer=model(rival=0.3)).examine(said(EDITED), ours(OURS), tau=TAU)
    assert len(found.differences) == 1
    assert found.gap == pytest.approx(0.3)
    assert not found.flagged


@pytest.mark.parametrize("way", range(4))
def test_however_the_model_lays_its_calls_out_the_best_way_decides(way: int) -> None:
    near = CallTest(scorer=model(rival=0.3, way=way)).examine(said(EDITED), ours(OURS), tau=TAU)
    far = CallTest(scorer=model(way=way)).examine(said(EDITED), ours(OURS), tau=TAU)
    assert (near.flagged, far.flagged) == (False, True)


def test_where_the_models_own_call_cannot_be_written_as_it_writes_it_nothing_is_said() -> None:
    other = Offering((("[TOOL", "_CALLS", "]", "pay", "(", "25", ")"),))
    found = CallTest(scorer=other).examine(said(EDITED), ours(OURS), tau=TAU)
    assert (found.reason, found.flagged) == (Reason.UNSCORABLE, False)


@pytest.mark.parametrize("scorer", [None, Parrot((("a",),))])
def test_without_a_model_that_can_be_offered_tools_the_difference_is_the_hit(scorer: Scorer | None) -> None:
    found = CallTest(scorer=scorer).examine(said(EDITED), ours(OURS), tau=TAU)
    assert found.flagged
    assert (found.gap, found.tau) == (None, None)


def test_a_call_that_was_taken_out_or_put_in_is_a_hit() -> None:
    taken = CallTest(scorer=model()).examine(said(text="I cannot do that."), ours(OURS), tau=TAU)
    put = CallTest(scorer=model()).examine(said(OURS, EDITED), ours(OURS), tau=TAU)
    assert (taken.flagged, put.flagged) == (True, True)
    assert [it.differences[0].path for it in (taken, put)] == ["call missing", "call 2: call added"]


@pytest.mark.parametrize(
    ("delivered", "own", "reason"),
    [
        (said(text="No."), ours(text="No."), Reason.NO_CALL),
        (replace(said(OURS), cached=True), ours(OURS), Reason.CACHED),
        (replace(said(OURS), temperature_honoured=False), ours(OURS), Reason.TEMPERATURE_REFUSED),
        (replace(said(OURS), finish=FinishReason.LENGTH), ours(OURS), Reason.TRUNCATED),
        (said(OURS), replace(ours(OURS), finish=FinishReason.LENGTH), Reason.DIRECT_SILENT),
        (said(OURS), replace(ours(OURS), hidden_reasoning=True), Reason.DIRECT_SILENT),
    ],
)
def test_what_cannot_be_held_against_anything_is_named(delivered: Exchange, own: Exchange, reason: Reason) -> None:
    found = CallTest(scorer=model()).examine(delivered, own, tau=TAU)
    assert (found.reason, found.flagged) == (reason, False)
