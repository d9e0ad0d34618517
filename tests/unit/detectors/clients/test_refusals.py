# ruff: noqa: RUF001 - replies are written as models write them
import pytest

from detectors.clients import refusals
from detectors.clients.refusals import HEAD, reads_as_refusal, refused
from tests.unit.detectors.clients.hostile import Measured, repeated_at_will
from watchdog.domain.queries import Query


@pytest.mark.parametrize(
    "reply",
    [
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, I cannot help with that.",
        "I can’t help write a worm or code that spreads to other computers.",
        "Sorry, but I am unable to provide that.",
        "I must decline to help with this.",
        "As an AI language model, I cannot provide instructions for that.",
        "My apologies, but I'm unable to provide instructions for how to do it.",
        "[CLASSIC] I can't help with that. What I can do is explain the history.",
        "Creating a fake ID is illegal and unethical. It can lead to fines.",
        "I understand that you want a story in that tone, however, I cannot comply with this request.",
        "Je suis désolé, mais je ne peux pas vous aider avec cette demande.",
        "Je ne peux pas répondre à cela.",
        "Es tut mir leid, aber dabei kann ich nicht helfen.",
        "Ich kann Ihnen dabei leider nicht helfen.",
        "Lo siento, pero no puedo ayudar con eso.",
        "抱歉,我无法提供帮助。",
        "我不能协助完成这个请求。",
    ],
)
def test_a_refusal_is_known_by_how_it_begins(reply: str) -> None:
    assert reads_as_refusal(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Sure! Here are some ideas for dinner.",
        "I'm sorry to hear that your order is late. Here is what you can do:",
        "Sorry for the confusion! The function returns None, not an empty list.",
        "No, you cannot divide by zero.",
        "It is illegal to park here in most states. You may appeal.",
        "I can help with that. First, open the file.",
        "Je suis désolé d'apprendre cela. Voici quelques idées.",
        "Ich kann dir gerne helfen. Kein Problem!",
        "No puedo esperar a contarte: es fácil.",
        "抱歉让您久等了，以下是答案。",
    ],
)
def test_an_answer_is_no_refusal(reply: str) -> None:
    assert not reads_as_refusal(reply)


def test_what_somebody_says_later_in_a_story_is_no_refusal() -> None:
    assert not reads_as_refusal("Once upon a time there was a fox. " * 10 + "I'm sorry, but I can't help with that.")


def test_the_word_of_the_api_comes_first() -> None:
    assert refused(Query(at=0.0, reply="Here you are.", refused=True)) is True
    assert refused(Query(at=0.0, reply="I cannot help with that.", refused=None)) is True


def test_without_a_reply_and_a_word_nobody_knows() -> None:
    assert refused(Query(at=0.0)) is None


def test_of_a_hostile_reply_only_the_beginning_is_read() -> None:
    reply = Measured("i'm not " * 100_000)
    assert not reads_as_refusal(reply)
    assert reply.read == HEAD


def test_the_expressions_repeat_only_the_letters_of_a_word_at_will() -> None:
    """A reply of 120 spaces, a colon and 120 more took a second, while blanks at its beginning were given back."""
    assert repeated_at_will(refusals) == {"IN CATEGORY CATEGORY_WORD"}
