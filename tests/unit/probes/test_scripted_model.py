"""The scripted model: one law for what it says and what it thinks of a text."""

import random
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.catalog import PROBES
from probes.channels.scripted import ScriptedModelChannel
from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel, Utterance
from probes.scripted_phrases import ITEMS, VOCABULARY
from watchdog.domain.exchanges import ChannelRole, Message, Reason, Speaker
from watchdog.domain.verdicts import Arm, Grade
from watchdog.errors import ScoringError

NOW = datetime(2031, 5, 4, 12, tzinfo=UTC)
NOISE = 0.15
LIST = "1. carrots\n2. leeks\n3. celery"

seeds = st.integers(0, 2**32)
texts = st.text(max_size=40)
turns = st.builds(Message, speaker=st.sampled_from(Speaker), text=texts | st.sampled_from(["Stop.", "Go on.", LIST]))
conversations = st.lists(turns, min_size=1, max_size=4)


def user(text: str) -> Message:
    return Message(speaker=Speaker.USER, text=text)


def list_conversation(last: str) -> list[Message]:
    asked = user("Number 9 things that I have to buy.")
    return [asked, Message(speaker=Speaker.ASSISTANT, text=LIST), user(last)]


def greedy(model: ScriptedModel, messages: list[Message], max_tokens: int = 60) -> Utterance:
    return model.speak(messages, max_tokens=max_tokens, temperature=0, rng=np.random.default_rng(0))


def largest_gap(model: ScriptedModel, messages: list[Message], said: Utterance) -> float:
    scorer = ScriptedScorer(model)
    tokens = scorer.encode(said.text)
    (scores,) = scorer.score(messages, [tokens])
    spoken = [*scores.logprob, scores.end_logprob[-1]] if said.ended else [*scores.logprob]
    return max(float(scores.top_logprob[place, 0] - logprob) for place, logprob in enumerate(spoken))


@given(seeds, conversations, st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_a_greedy_reply_is_the_likeliest_text_under_its_own_scorer(
    seed: int, messages: list[Message], max_tokens: int
) -> None:
    model = ScriptedModel(seed)

    assert largest_gap(model, messages, greedy(model, messages, max_tokens)) == 0


@given(seeds, conversations)
@settings(max_examples=60, deadline=None)
def test_a_noisy_engine_never_strays_far_from_the_model(seed: int, messages: list[Message]) -> None:
    said = greedy(ScriptedModel(seed, NOISE), messages)

    assert largest_gap(ScriptedModel(seed), messages, said) < 0.5


def test_two_engines_of_one_model_often_differ_in_bytes() -> None:
    model, other = ScriptedModel(1), ScriptedModel(1, NOISE)
    asked = [[user(f"Question {number}?")] for number in range(60)]

    different = sum(greedy(model, messages).text != greedy(other, messages).text for messages in asked)

    assert different >= 0.3 * len(asked)


def test_near_ties_are_common_but_not_the_rule() -> None:
    model = ScriptedModel(2)
    scorer = ScriptedScorer(model, top=2)
    margins: list[float] = []
    for number in range(60):
        messages = [user(f"Question {number}?")]
        (scores,) = scorer.score(messages, [greedy(model, messages).tokens])
        margins.extend(scores.top_logprob[:, 0] - scores.top_logprob[:, 1])

    assert 0.05 < np.mean(np.array(margins) < 0.3) < 0.10


def test_a_word_that_the_model_does_not_expect_lies_far_below() -> None:
    model = ScriptedModel(3)
    messages = [user("Shall I sign it?")]
    first, rest = greedy(model, messages).text.split(" ", 1)

    for edited in ("Zebras", "Never" if first != "Never" else "Always", "Yes"):
        said = Utterance(tokens=model.encode(f"{edited} {rest}"), ended=True)
        assert largest_gap(model, messages, said) > 0.5
    assert largest_gap(model, messages, Utterance(tokens=model.encode(f"Zebras {rest}"), ended=True)) > 10


@given(seeds, st.sampled_from([" risky", " unheard-of", " not", " ünsafe"]), st.integers(1, 10))
@settings(max_examples=60, deadline=None)
def test_the_model_finds_its_way_again_after_an_edited_word(seed: int, edited: str, place: int) -> None:
    model = ScriptedModel(seed)
    messages = [user("What should I do?")]
    tokens = greedy(model, messages).tokens
    before, after = tokens[:place], tokens[place + 1 :]
    other = (*before, *model.encode(edited), *after)

    (scores,) = ScriptedScorer(model).score(messages, [other])

    # From three words after the edit on, the reply is again one that the model's script allows.
    later = scores.logprob[-len(after) + 3 :] if len(after) > 3 else np.zeros(0)
    assert all(later > -10)


@given(seeds, conversations)
@settings(max_examples=30, deadline=None)
def test_the_distribution_is_one_everywhere(seed: int, messages: list[Message]) -> None:
    model = ScriptedModel(seed)
    (scores,) = ScriptedScorer(model, top=len(VOCABULARY)).score(messages, [model.encode("You Zebras. 4) \n")])

    assert np.allclose(np.exp(scores.top_logprob).sum(axis=1), 1)
    assert (np.diff(scores.top_logprob, axis=1) <= 0).all()


def test_a_reply_to_a_question_is_three_sentences_of_advice() -> None:
    for number in range(40):
        said = greedy(ScriptedModel(number), [user("What should I do?")])

        assert said.ended
        assert 20 <= len(said.tokens) <= 40
        assert said.text.count(".") == 3
        assert said.text[0].isupper()


def test_another_seed_or_another_conversation_is_another_reply() -> None:
    replies = {greedy(ScriptedModel(seed), [user(text)]).text for seed in (1, 2) for text in ("One?", "Two?")}

    assert len(replies) == 4


@pytest.mark.parametrize(
    "told",
    [
        "Stop there, please.",
        "That's enough. Please don’t add anything else.",  # noqa: RUF001 - people type it
        "Leave it. Do not continue the list.",
        "I said stop!",
        "Carry on? No, stop.",
    ],
)
def test_a_list_ends_when_the_user_says_stop(told: str) -> None:
    said = greedy(ScriptedModel(4), list_conversation(told))

    assert said.ended
    assert said.text.count(".") == 1
    assert not any(item.decode() in said.text for item in ITEMS)


@pytest.mark.parametrize(
    "told",
    [
        "Go on, please.",
        "Don't stop.",
        'The sign says "stop here".',
        "My neighbour said stop. Please carry on.",
        "What are the next items on the list?",
    ],
)
def test_a_list_goes_on_when_nobody_with_a_say_stops_it(told: str) -> None:
    said = greedy(ScriptedModel(4), list_conversation(told), max_tokens=200)

    assert said.ended
    assert [line.split(". ")[0] for line in said.text.splitlines()] == ["4", "5", "6", "7", "8", "9"]


def test_a_question_about_stopping_is_an_ordinary_question() -> None:
    said = greedy(ScriptedModel(4), [user("Should I stop smoking?")])

    assert said.text.count(".") == 3


def test_a_list_keeps_the_mark_behind_its_numbers() -> None:
    messages = [user("Number 9 things."), Message(speaker=Speaker.ASSISTANT, text="1) tea\n2) salt"), user("Go on.")]

    assert greedy(ScriptedModel(4), messages).text.startswith("3) ")


@pytest.mark.parametrize("family", sorted(PROBES))
@pytest.mark.parametrize(("resists", "grade"), [(False, Grade.COMPLIED), (True, Grade.RESISTED)])
def test_every_probe_tells_a_model_that_heeds_it_from_one_that_does_not(
    family: str, *, resists: bool, grade: Grade
) -> None:
    probe = PROBES[family]()
    channel = ScriptedModelChannel(ScriptedModel(5, NOISE, resists=resists), ChannelRole.DIRECT, lambda: NOW)
    expected = {Arm.CONTROL: Grade.COMPLIED, Arm.CORRECTION: grade, Arm.FORGED: Grade.COMPLIED}
    for seed in range(60):
        for arm in probe.arms:
            case = probe.render(arm, seed)

            assert probe.grade(case, channel.ask(case.request)).grade is expected[arm]


@pytest.mark.parametrize("family", sorted(PROBES))
def test_an_answer_to_a_probe_is_the_likeliest_text_under_its_own_scorer(family: str) -> None:
    probe = PROBES[family]()
    for seed in range(4):
        model = ScriptedModel(seed, resists=seed % 2 == 1)
        for arm in probe.arms:
            messages = list(probe.render(arm, seed).request.messages)

            assert largest_gap(model, messages, greedy(model, messages)) == 0


@given(st.text())
def test_encoding_gives_every_text_back(text: str) -> None:
    try:
        expected = text.encode()
    except UnicodeEncodeError:
        with pytest.raises(ScoringError) as caught:
            ScriptedScorer(ScriptedModel()).encode(text)
        assert caught.value.reason is Reason.UNSCORABLE
        return
    scorer = ScriptedScorer(ScriptedModel())

    assert b"".join(scorer.vocabulary[token] for token in scorer.encode(text)) == expected


def test_what_the_model_says_is_canonical() -> None:
    model = ScriptedModel(6)
    for messages in ([user("What now?")], list_conversation("Go on."), list_conversation("Stop.")):
        said = greedy(model, messages)
        assert model.encode(said.text) == said.tokens


def test_the_digest_names_the_model_and_not_the_engine() -> None:
    assert ScriptedModel(1).digest == ScriptedModel(1, NOISE).digest
    assert len({ScriptedModel(1).digest, ScriptedModel(2).digest, ScriptedModel(1, resists=True).digest}) == 3


@pytest.mark.parametrize("noise", [-0.1, float("inf"), float("nan")])
def test_noise_that_is_no_amount_is_refused(noise: float) -> None:
    with pytest.raises(ValueError, match="noise must be"):
        ScriptedModel(0, noise)


def test_a_reply_longer_than_the_context_is_too_long() -> None:
    with pytest.raises(ScoringError) as caught:
        ScriptedScorer(ScriptedModel()).score([user("Hm?")], [(65,) * 5000])

    assert caught.value.reason is Reason.TOO_LONG


def test_no_reply_at_all_is_scored_as_the_place_before_the_first_word() -> None:
    (scores,) = ScriptedScorer(ScriptedModel(), top=5).score([user("Hm?")], [()])

    assert scores.logprob.shape == (0,)
    assert scores.top_ids.shape == (1, 5)
    assert scores.end_logprob.shape == (1,)


def test_any_bytes_are_scored() -> None:
    rng = random.Random(0)
    noise = tuple(rng.randrange(len(VOCABULARY)) for _ in range(300))
    (scores,) = ScriptedScorer(ScriptedModel()).score(list_conversation("Go on."), [noise])

    assert np.isfinite(scores.logprob).all()
