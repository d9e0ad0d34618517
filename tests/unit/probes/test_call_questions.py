"""The questions about tools, and the call that the scripted model makes of them."""

import json

import pytest

from probes.questions.calling import load_calls
from probes.scripted_calls import call_for
from watchdog.domain.exchanges import Message, Request, Speaker

BOOK = load_calls()


def test_there_are_enough_of_them_and_every_one_offers_a_tool_with_a_schema() -> None:
    drawn = BOOK.draw(1, len(BOOK.file.questions))
    assert len(drawn) == len({it.id for it in drawn}) >= 24
    for question in drawn:
        (tool,) = question.tools
        schema = json.loads(tool.parameters)
        assert schema["required"] == list(schema["properties"])


def test_the_same_seed_gives_the_same_ones_and_another_other_words() -> None:
    assert BOOK.draw(7, 40) == BOOK.draw(7, 40)
    assert len({it.id for it in BOOK.draw(7, 60)}) == 60
    assert {it.text for it in BOOK.draw(7, 26)} != {it.text for it in BOOK.draw(8, 26)}
    with pytest.raises(ValueError, match="negative"):
        BOOK.draw(1, -1)


@pytest.mark.parametrize("seed", range(5))
def test_a_question_says_every_argument_that_is_a_number_or_a_choice(seed: int) -> None:
    for question in BOOK.draw(seed, 26):
        schema = json.loads(question.tools[0].parameters)["properties"]
        numbers = sum(it["type"] in {"integer", "number"} for it in schema.values())
        assert sum(any(char.isdigit() for char in word) for word in question.text.split()) >= numbers
        for it in schema.values():
            choices = it.get("enum", [])
            said = [choice for choice in choices if choice.lower() in question.text.lower()]
            assert not choices or said or question.id.startswith("call-access-owner"), question.text


def test_the_scripted_model_calls_the_tool_with_what_the_question_says() -> None:
    question = next(it for it in BOOK.draw(3, 26) if it.id == "call-flights-business")
    request = Request(
        messages=(Message(speaker=Speaker.USER, text=question.text),), max_tokens=64, tools=question.tools
    )
    call = call_for(request)
    arguments = json.loads(call.arguments)
    assert call == call_for(request)
    assert (call.name, arguments["cabin"]) == ("search_flights", "business")
    assert all(str(arguments[key]) in question.text for key in ("from", "to", "passengers"))
