"""Allowed edits never flag a reply; a change beside one still does."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.allowed_edits import Tolerant, apply
from detectors.divergence.gap import GapTest
from probes.channels.scripted import ScriptedModelChannel
from probes.questions import load_questions
from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel
from tests.builders import NOW, exchange
from watchdog.config.edits import AllowedEdit, FooterEdit, MarkdownEdit, MaskEdit, TrimEdit
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Message, Reason, Request, Speaker
from watchdog.errors import ScoringError
from watchdog.ports import Scorer, TokenScores
from watchdog.rehearsal.editing import edit

TAU = 0.5
MASK = MaskEdit(
    kind="mask",
    pattern=re.compile(r"\b(?:friend|neighbour|colleague|lawyer|doctor|someone|somebody|your contract)\b"),
    replacement="[redacted]",
)
FOOTER = FooterEdit(kind="footer", pattern=re.compile(r"— Example Gateway, reference \d+\."))
TRIM = TrimEdit(kind="trim")
MARKDOWN = MarkdownEdit(kind="markdown")
EDITS = (MASK, FOOTER, TRIM)
BOOK = load_questions()


def delivered(max_tokens: int = 32, count: int = 50) -> list[Exchange]:
    """Replies of the same scripted model in another precision."""
    channel = ScriptedModelChannel(ScriptedModel(seed=1, noise=0.15), ChannelRole.DELIVERED, lambda: NOW)
    return [
        channel.ask(Request(messages=(Message(speaker=Speaker.USER, text=it.text),), max_tokens=max_tokens))
        for seed in range(count)
        for it in BOOK.draw(seed, 1)
    ]


def changed(it: Exchange, text: str, finish: FinishReason | None = None) -> Exchange:
    return Exchange(
        channel=it.channel,
        request=it.request,
        reply=text,
        finish=finish or it.finish,
        model=it.model,
        asked_at=it.asked_at,
        seconds=it.seconds,
    )


def tolerant(*edits: AllowedEdit, scorer: Scorer | None = None, steps: int = 12) -> Tolerant:
    """Where only the flag matters, one step of the search for the edited words is enough."""
    scorer = scorer or ScriptedScorer(ScriptedModel(seed=1))
    return Tolerant(inner=GapTest(scorer=scorer, steps=steps), scorer=scorer, edits=edits)


def gateway(it: Exchange, number: int) -> Exchange:
    """Do to a reply what a gateway with all three edits does: cut the end, mask, add a footer."""
    text = apply((MASK, TRIM), it.reply)
    return changed(it, f"{text}\n\n— Example Gateway, reference {number}.", FinishReason.STOP)


def test_fifty_replies_with_every_allowed_edit_are_not_flagged() -> None:
    replies = [*delivered(32, count=35), *delivered(16, count=15)]
    edited = [gateway(it, number) for number, it in enumerate(replies)]
    comparator = tolerant(*EDITS)

    flagged = [it.reply for it in edited if comparator.compare(it.request, it, tau=TAU).comparison.flagged]

    assert flagged == []
    assert sum("[redacted]" in it.reply for it in edited) >= 10
    assert sum(it.finish is FinishReason.LENGTH for it in replies) >= 10


def test_without_tolerance_the_same_replies_are_flagged() -> None:
    inner = GapTest(scorer=ScriptedScorer(ScriptedModel(seed=1)), steps=1)
    edited = [gateway(it, number) for number, it in enumerate(delivered(count=10))]
    assert all(inner.compare(it.request, it, tau=TAU).comparison.flagged for it in edited)


def test_an_edit_beside_the_allowed_ones_is_flagged_where_it_stands() -> None:
    comparator, rng = tolerant(*EDITS), random.Random(5)
    missed, shown, made = [], 0, 0
    for number, it in enumerate(delivered(count=20)):
        allowed = gateway(it, number)
        rewritten = edit(allowed.reply, rng, most=1)
        if not rewritten.swaps:
            continue
        made += 1
        comparison = comparator.compare(it.request, changed(allowed, rewritten.text), tau=TAU).comparison
        if not comparison.flagged:
            missed.append(rewritten.text)
        [swap] = rewritten.swaps
        shown += any(span.start <= swap.start and swap.end <= span.end for span in comparison.spans)
        assert all(span.delivered == rewritten.text[span.start : span.end] for span in comparison.spans)

    assert missed == []
    assert made >= 10
    assert shown >= 0.8 * made


def test_a_mask_over_words_that_its_pattern_does_not_match_is_flagged() -> None:
    comparator = tolerant(*EDITS, steps=1)
    words = re.compile(r"\b(?:always|never|best|safe|healthy|honest)\b", re.IGNORECASE)
    replies = delivered(count=12)
    edited = [changed(it, words.sub("[redacted]", it.reply, count=1)) for it in replies if words.search(it.reply)]

    assert len(edited) >= 6
    assert all(comparator.compare(it.request, it, tau=TAU).comparison.flagged for it in edited)


def test_a_whole_sentence_that_was_cut_off_is_flagged() -> None:
    comparator = tolerant(*EDITS, steps=1)
    whole = [it for it in delivered(60, count=12) if it.finish is FinishReason.STOP and it.reply.count(". ") >= 2]
    cut = [changed(it, it.reply[: it.reply.index(". ") + 1]) for it in whole]

    assert len(cut) >= 8
    assert all(comparator.compare(it.request, it, tau=TAU).comparison.flagged for it in cut)


def test_words_after_the_footer_and_another_footer_are_flagged() -> None:
    comparator = tolerant(*EDITS, steps=1)
    for tail in ("— Example Gateway, reference 1. Call us!", "— Another Gateway, reference 1."):
        it = delivered(60, count=1)[0]
        assert comparator.compare(it.request, changed(it, f"{it.reply}\n\n{tail}"), tau=TAU).comparison.flagged


class Lacking(ScriptedScorer):
    """Has no token with the byte 0xF3."""

    @property
    def vocabulary(self) -> Sequence[bytes]:
        return [b"" if 0xF3 in it else it for it in super().vocabulary]

    def encode(self, text: str) -> tuple[int, ...]:
        if b"\xf3" in text.encode():
            raise ScoringError("no tokens", hint="look", reason=Reason.UNSCORABLE)
        return super().encode(text)


def test_a_byte_that_no_token_has_accuses_nobody_where_a_declared_edit_may_have_put_it_there() -> None:
    scorer = Lacking(ScriptedModel(seed=1))
    it = changed(delivered(count=1)[0], "It is safe. \U000f1234")
    for comparator, reason in (
        (tolerant(*EDITS, scorer=scorer), Reason.UNSCORABLE),
        (GapTest(scorer=scorer), Reason.UNSPELLABLE),
    ):
        with pytest.raises(ScoringError) as caught:
            comparator.compare(it.request, it, tau=TAU)
        assert caught.value.reason is reason


def test_an_untouched_reply_is_compared_as_it_is() -> None:
    comparator = tolerant(*EDITS, MARKDOWN)
    for it in delivered(count=4):
        plain = comparator.inner.compare(it.request, it, tau=TAU)
        assert comparator.compare(it.request, it, tau=TAU).comparison == plain.comparison
    assert comparator.digest == comparator.inner.digest
    assert comparator.threshold([0.2]) == comparator.inner.threshold([0.2])


MARKED = (
    "# Advice\n\nYou should **always** read the _whole_ contract:\n\n- ask a lawyer\n- keep a `copy`\n\n"
    "1. Then sign.\n2. Never hurry."
)
PLAIN = "Advice\nYou should always read the whole contract:\nask a lawyer\nkeep a copy\nThen sign.\nNever hurry."
_UNIT = re.compile(r"(?P<mark> ?[*_`#>-]+ ?|\n+|\d[.] )|(?P<word> ?[A-Za-z]+|.)", re.DOTALL)


@dataclass(frozen=True)
class ScriptReader:
    """A model that says one text; after any word it goes on where as many words are said."""

    script: str
    digest: str = "script"

    @property
    def vocabulary(self) -> Sequence[bytes]:
        said = [match[0].encode() for match in _UNIT.finditer(self.script)]
        return tuple(dict.fromkeys([*(bytes([n]) for n in range(256)), b"", *said]))

    def encode(self, text: str) -> tuple[int, ...]:
        known = {token: number for number, token in enumerate(self.vocabulary)}
        chunks = [match[0].encode() for match in _UNIT.finditer(text)]
        return tuple(n for chunk in chunks for n in ((known[chunk],) if chunk in known else tuple(chunk)))

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        vocabulary = self.vocabulary
        end = vocabulary.index(b"")
        found = []
        for reply in replies:
            said, top, rows = b"", np.empty((len(reply) + 1, 2), dtype=np.int64), np.empty((len(reply) + 1, 2))
            for place in range(len(reply) + 1):
                top[place], rows[place] = (self._next(said.decode(errors="replace"), end), 32), (-0.01, -9.0)
                said += vocabulary[reply[place]] if place < len(reply) else b""
            found.append(
                TokenScores(
                    logprob=np.array([-0.01 if token == top[n, 0] else -9.0 for n, token in enumerate(reply)]),
                    top_ids=top,
                    top_logprob=rows,
                    end_logprob=np.where(top[:, 0] == end, -0.01, -9.0),
                )
            )
        return found

    def _next(self, said: str, end: int) -> int:
        words, since = 0, ""
        for match in _UNIT.finditer(said):
            words, since = (words + 1, "") if match["word"] else (words, since + match[0])
        units, at = list(_UNIT.finditer(self.script)), 0
        while words and at < len(units):
            words -= units[at]["word"] is not None
            at += 1
        while since and at < len(units) and units[at]["mark"] and since.startswith(units[at][0]):
            since, at = since[len(units[at][0]) :], at + 1
        while since and at < len(units) and units[at]["mark"]:
            at += 1
        return end if at == len(units) else self.vocabulary.index(units[at][0].encode())


def test_the_scripted_text_is_its_models_own() -> None:
    scorer = ScriptReader(MARKED)
    it = exchange(MARKED)
    assert not GapTest(scorer=scorer).compare(it.request, it, tau=TAU).comparison.flagged
    it = exchange(PLAIN)
    assert GapTest(scorer=scorer).compare(it.request, it, tau=TAU).comparison.flagged


@pytest.mark.parametrize(
    "text",
    [PLAIN, MARKED.replace("**", ""), MARKED.replace("- ", ""), MARKED.replace("# ", ""), MARKED.replace("- ", "• ")],
)
def test_markdown_that_was_cleaned_up_is_not_flagged(text: str) -> None:
    it = exchange(text)
    assert not tolerant(MARKDOWN, scorer=ScriptReader(MARKED)).compare(it.request, it, tau=TAU).comparison.flagged


@pytest.mark.parametrize(("word", "swap"), [("always", "never"), ("lawyer", "friend"), ("Never", "Always")])
def test_a_word_changed_beside_cleaned_up_markdown_is_flagged(word: str, swap: str) -> None:
    it = exchange(PLAIN.replace(word, swap))
    comparison = tolerant(MARKDOWN, scorer=ScriptReader(MARKED)).compare(it.request, it, tau=TAU).comparison
    assert comparison.flagged
    assert any(swap in span.delivered for span in comparison.spans)


def test_apply_does_what_the_edits_do() -> None:
    assert apply([MASK], "Ask a friend or your contract.") == "Ask a [redacted] or [redacted]."
    assert apply([TRIM], "One is whole. Two is no") == "One is whole."
    assert apply([TRIM], "no sentence ends here  ") == "no sentence ends here"
    assert apply([FOOTER], "Yes.\n\n— Example Gateway, reference 12.\n") == "Yes."
    assert apply([FOOTER], "— Example Gateway, reference 12. And more.") == "— Example Gateway, reference 12. And more."
    assert apply([MARKDOWN], MARKED) == PLAIN
    assert apply([MARKDOWN], "a well-being snake_case 3.5 - 2") == "a well-being snake_case 3.5 - 2"
    assert apply([], "as it is \n") == "as it is \n"


@given(st.text(alphabet="ab .!?\n*_#-1", max_size=60))
def test_applying_twice_is_applying_once_for_edits_that_only_take_away(text: str) -> None:
    once = apply([TRIM], text)
    assert apply([TRIM], once) == once


def test_a_replacement_is_put_in_to_the_letter() -> None:
    mask = MaskEdit(kind="mask", pattern=re.compile(r"(\d)\d+"), replacement=r"\1**")
    assert apply([mask], "call 5550199") == r"call \1**"
