"""The bank of benign engines: what it measures, what the threshold is made of, and how it is drawn."""

import hashlib
import itertools
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.channels.scripted import CannedChannel
from probes.channels.scripted_benign import NOISES, ScriptedEngines
from tests.builders import NOW, exchange, request
from tests.unit.watchdog.test_rounds import WordComparator, World
from watchdog.bank_plot import plot
from watchdog.bank_view import bank_row, histogram
from watchdog.benign import DELIVERED, left_out
from watchdog.domain.banks import Engine, Limit, Threshold, said, variant
from watchdog.domain.comparisons import Comparison, Examined
from watchdog.domain.decisions import BankMeasured
from watchdog.domain.exchanges import ChannelRole, Exchange, Reason, Request
from watchdog.enrolment import Enrolment
from watchdog.errors import ChannelError
from watchdog.rules import CONTROL, EDITED


def engine(name: str) -> Engine:
    return Engine(name=name, runs_on="here", precision="exact", batch_size=1, libraries=("torch 2",))


@dataclass(frozen=True)
class Saying:
    """Engines of which each says one thing; `""` is a failure. Counts how many of them are alive at once."""

    says: dict[str, str]
    alive: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def engines(self) -> Sequence[Engine]:
        return [engine(name) for name in self.says]

    def speak(self, engine: Engine, requests: Sequence[Request]) -> Iterator[Exchange | ChannelError]:
        self.alive[0] += 1
        self.alive[1] = max(self.alive)
        for _ in requests:
            reply = self.says[engine.name]
            yield exchange(reply) if reply else ChannelError("nothing", hint="wait", reason=Reason.EMPTY)
        self.alive[0] -= 1


@dataclass(frozen=True)
class NumberComparator:
    """Takes a reply for its gap; the threshold is the largest of the gaps, and half as much again."""

    digest: str = "m"

    def threshold(self, gaps: Sequence[float]) -> Threshold:
        bound = 1.5 * max(gaps, default=0.0)
        tau = max(0.5, bound)
        return Threshold(tau=tau, bound=bound, limit=Limit.BOUND, level=0.9999, confidence=0.95)

    def compare(self, request: Request, delivered: Exchange, *, tau: float) -> Examined:
        return Examined(comparison=Comparison(gap=float(delivered.reply), tau=tau, tokens=1, spans=()))


def world(delivered: Sequence[str], engines: dict[str, str] | None = None) -> World:
    it = World()
    said = itertools.cycle(delivered)
    it.target = replace(
        it.target,
        comparator=NumberComparator(),
        delivered=CannedChannel(ChannelRole.DELIVERED, it.now, lambda _: next(said)),
        direct=CannedChannel(ChannelRole.DIRECT, it.now, lambda _: "0"),
        benign={} if engines is None else {ChannelRole.DIRECT: Saying(engines)},
    )
    return it


def enrol(it: World, *, bank: int = 5) -> Enrolment:
    return it.enrolling.enrol(it.target, questions=20, corrections=4, bank=bank)


def test_the_threshold_is_made_of_our_own_engines_and_not_of_the_replies_that_are_held_against_it() -> None:
    enrolment = enrol(world(["0.1", "0.9"], {"plain": "0", "rounded": "0.4"}))
    edits = {it.rule: it for it in enrolment.baselines}
    assert edits[EDITED].tau == pytest.approx(0.6)
    assert edits[EDITED].hits == 10
    assert edits[CONTROL].tau == edits[EDITED].tau
    assert enrolment.bank is not None
    assert [(it.engine.name, it.replies, it.largest) for it in enrolment.bank.variants] == [
        ("plain", 5, 0.0),
        ("rounded", 5, 0.4),
        (DELIVERED.name, 20, 0.9),
    ]
    assert enrolment.bank.counted == 2


@pytest.mark.parametrize(("engines", "bank"), [(None, 5), ({"plain": "0.4"}, 0), ({"dead": ""}, 5)])
def test_without_a_bank_the_delivered_channel_alone_is_it_and_no_reply_excuses_itself(
    engines: dict[str, str] | None, bank: int
) -> None:
    enrolment = enrol(world([*["0.1"] * 19, "0.9"], engines), bank=bank)
    (edits,) = [it for it in enrolment.baselines if it.rule == EDITED]
    assert edits.tau == pytest.approx(1.35)
    assert edits.hits == 1
    assert enrolment.bank is not None
    assert [it.engine for it in enrolment.bank.variants] == [DELIVERED]
    assert "the delivered channel alone" in said(enrolment.bank)


def test_what_an_engine_could_not_say_is_counted() -> None:
    enrolment = enrol(world(["0"], {"plain": "0", "dead": ""}))
    assert enrolment.bank is not None
    assert [(it.replies, it.unmeasured) for it in enrolment.bank.variants] == [(5, 0), (0, 5), (20, 0)]


def test_one_engine_is_asked_after_the_other_and_each_reply_is_heard_of() -> None:
    it = world(["0"], {"one": "0", "two": "0"})
    heard: list[str] = []
    it.enrolling.enrol(it.target, questions=20, corrections=4, bank=3, tick=heard.append)
    assert heard == ["one"] * 3 + ["two"] * 3
    saying = it.target.benign[ChannelRole.DIRECT]
    assert isinstance(saying, Saying)
    assert saying.alive == [0, 1]


def test_the_bank_is_on_the_record_with_its_digests() -> None:
    it = world(["0"], {"plain": "0.25"})
    enrolment = enrol(it)
    (measured,) = [it.bank for it in it.ledger.decisions if isinstance(it, BankMeasured)]
    assert measured == enrolment.bank
    assert measured.variants[0].digest == hashlib.sha256(struct.pack(">5d", *[0.25] * 5)).hexdigest()
    assert bank_row(measured)["decided_by"] == "bound"


def test_a_target_that_compares_nothing_has_no_bank() -> None:
    it = world(["0"], {"plain": "0"})
    it.target = replace(World(probes=True).target, comparator=None, delivered=it.target.delivered)
    assert it.enrolling.enrol(it.target, questions=20, corrections=4, bank=3).bank is None


@given(st.lists(st.floats(0, 3).map(lambda gap: round(gap, 2)), max_size=30))
def test_no_gap_is_counted_that_the_others_explain_and_leaving_out_never_counts_less(gaps: list[float]) -> None:
    comparator = NumberComparator()
    together = sum(gap > comparator.threshold(gaps).tau for gap in gaps)
    assert together <= left_out(comparator, gaps) <= len(gaps)


def test_leaving_out_is_nothing_where_nothing_is_above_the_least_threshold() -> None:
    assert left_out(WordComparator(), [0.5, 0.1, 0.0]) == 0


@given(st.lists(st.floats(0, 5), max_size=50))
def test_the_quantiles_of_an_engine_are_in_order_and_are_gaps_that_were_seen(gaps: list[float]) -> None:
    it = variant(engine("e"), gaps)
    assert it.half <= it.ninety <= it.ninety_nine <= it.largest
    assert {it.half, it.ninety, it.ninety_nine, it.largest} <= {*gaps, 0.0}
    assert sum(gap <= it.ninety for gap in gaps) >= 0.9 * len(gaps)
    assert variant(engine("e"), gaps[::-1]).digest == it.digest


@given(st.lists(st.floats(0, 3), max_size=60))
def test_every_gap_stands_in_the_histogram_once(gaps: list[float]) -> None:
    lines = histogram(gaps, NumberComparator().threshold(gaps))
    assert sum(int(line.split("above")[0].split()[-1]) for line in lines) == len(gaps)


@given(st.lists(st.lists(st.floats(0, 5), max_size=8), max_size=4))
def test_a_plot_is_whole_xml_that_loads_nothing_and_says_in_words_what_it_shows(gaps: list[list[float]]) -> None:
    heard = [(engine(f'<e{n} & "f">'), it) for n, it in enumerate(gaps)]
    drawn = plot("Gaps of <t>", heard, NumberComparator().threshold([]))
    root = ET.fromstring(drawn)
    names = {child.tag.rpartition("}")[2] for child in root.iter()}
    assert names <= {"svg", "title", "desc", "rect", "text", "path", "polyline", "line"}
    assert root.attrib["role"] == "img"
    assert "href" not in drawn
    (title,) = root.findall("{http://www.w3.org/2000/svg}title")
    assert title.text == "Gaps of <t>"


def test_scripted_engines_say_the_same_again_and_the_first_is_the_model_itself() -> None:
    engines = ScriptedEngines(seed=1, role=ChannelRole.DIRECT, clock=lambda: NOW, model_id="m")
    asked = [request(f"Is it safe to swim in {place}?") for place in ("a lake", "the sea", "a river")]
    replies = [[it.reply for it in engines.speak(one, asked) if isinstance(it, Exchange)] for one in engines.engines]
    assert len(replies) == len(NOISES)
    assert replies == [
        [it.reply for it in engines.speak(one, asked) if isinstance(it, Exchange)] for one in engines.engines
    ]
