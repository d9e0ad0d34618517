"""Calls as text: how a model is told of tools, and what counts as a call in what it writes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchdog.domain.calls import differences
from watchdog.domain.spoken_calls import declared, spellings, spoken, told
from watchdog.domain.tools import Tool, ToolCall

TOOL = Tool(name="pay", description="Pay é.", parameters='{"type": "object", "properties": {}}')
CALL = ToolCall.of("pay", '{"amount": 25, "to": "Zoë"}')


def test_a_model_is_told_the_name_the_arguments_and_the_syntax() -> None:
    text = told([TOOL])
    assert json.dumps(declared(TOOL), ensure_ascii=False) in text
    assert text.count("<tool_call>") == text.count("</tool_call>") == 1


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "pay", "arguments": {"amount": 25, "to": "Zoë"}}\n</tool_call>',
        '<tool_call>{"name":"pay","arguments":{"amount":25,"to":"Zoë"}}</tool_call>',
        '<tool_call>[{"name": "pay", "arguments": {"amount": 25, "to": "Zoë"}}]</tool_call>',
        '<tool_call>\n{"arguments": {"to": "Zo\\u00eb", "amount": 25}, "name": "pay"}\n',
    ],
)
def test_a_call_is_read_however_it_is_laid_out(text: str) -> None:
    rest, calls = spoken(f"Sure.\n{text}")
    assert rest == "Sure."
    assert differences(calls, [CALL]) == ()


@pytest.mark.parametrize(
    "inside",
    ["", "pay()", "[]", "{}", '{"name": 3, "arguments": {}}', '{"name": "a", "name": "b"}', '{"name": "a"', "[" * 5000],
)
def test_what_is_no_call_stays_in_the_text(inside: str) -> None:
    text = f"<tool_call>{inside}</tool_call> and more"
    assert spoken(text) == (text, ())


def test_a_flood_of_calls_stays_in_the_text_after_the_first_few() -> None:
    rest, calls = spoken('<tool_call>{"name": "a"}</tool_call>' * 1000)
    assert len(calls) == 64
    assert "<tool_call>" in rest


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_every_way_to_write_calls_is_read_as_those_calls(name: str, arguments: dict[str, object]) -> None:
    calls = (ToolCall.of(name, json.dumps(arguments)), CALL)
    ways = list(spellings("", calls))
    assert len(ways) == len(set(ways)) >= 4
    for way in ways:
        if "</tool_call>" not in name + str(arguments):
            rest, found = spoken(way)
            assert rest == ""
            assert differences(found, calls) == ()
