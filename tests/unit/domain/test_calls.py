"""Tool calls held against each other: what counts as a difference, whatever a hostile channel writes."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchdog.domain.calls import CallComparison, differences, value_of
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.tools import LONGEST_ARGUMENTS, LONGEST_NAME, ToolCall

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def call(arguments: object, name: str = "pay") -> ToolCall:
    return ToolCall.of(name, arguments if isinstance(arguments, str) else json.dumps(arguments))


def told(delivered: Sequence[ToolCall], direct: Sequence[ToolCall]) -> list[str]:
    return [str(it) for it in differences(delivered, direct)]


def test_an_edited_argument_is_named_with_both_values() -> None:
    assert told([call({"amount": "250", "to": "Ann"})], [call({"to": "Ann", "amount": "25"})]) == [
        'arguments.amount: "250" where the direct model says "25"'
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
        ('{"a": 2.0}', '{"a": 2}'),
        ('{"a": 1e2}', '{"a": 100}'),
        ('{"a": 0.10}', '{"a": 1E-1}'),
        ('{"a": "\\u00e9"}', '{"a": "é"}'),
        ("", "{}"),
        ("not json", "not json"),
    ],
)
def test_what_stands_for_the_same_values_is_no_difference(one: str, other: str) -> None:
    assert told([call(one)], [call(other)]) == []


@pytest.mark.parametrize(
    ("delivered", "path"),
    [
        ({"a": True}, "arguments.a"),
        ({"a": "1"}, "arguments.a"),
        ({"a": None}, "arguments.a"),
        ({"a": [1]}, "arguments.a"),
        ({}, "arguments.a"),
        ({"a": 1, "b": 2}, "arguments.b"),
        ({"a": 1.0000000000000002}, "arguments.a"),
        ('{"a": 1, "a": 1}', "arguments (not JSON)"),
        ('{"a": NaN}', "arguments (not JSON)"),
        ('{"a": Infinity}', "arguments (not JSON)"),
        ('{"a": 1e400}', "arguments.a"),
        ('{"a": 1e99999999999999999999}', "arguments (not JSON)"),
        ('{"a": 1' + "0" * 5000 + "}", "arguments (not JSON)"),
        ("[" * 5000, "arguments (not JSON)"),
        ('{"a": ' + "[" * 40 + "1" + "]" * 40 + "}", "arguments (not JSON)"),
        ('"{\\"a\\": 1}"', "arguments"),
        ("\x1b[2J", "arguments (not JSON)"),
        ("{'a': 1}", "arguments (not JSON)"),
        ('{"a": 1} ' + " " * 10_000_000, "arguments (longer than is kept)"),
    ],
)
def test_anything_else_is_a_difference_with_a_place(delivered: object, path: str) -> None:
    (found,) = differences([call(delivered)], [call({"a": 1})])
    assert found.path == path


@pytest.mark.parametrize("name", ["Pay", "p\u0430y", "pay ", "pay\u200b", "p" * 10_000])
def test_a_name_is_compared_letter_by_letter_and_look_alikes_are_written_out(name: str) -> None:
    (found, *_) = differences([call({}, name)], [call({})])
    assert found.path == "name"
    assert found.delivered != found.direct == '"pay"'
    assert found.delivered.isprintable()
    assert name == "p" * 10_000 or found.delivered.isascii()


def test_swapped_added_and_missing_calls_are_named_by_their_number() -> None:
    one, two, three = call({"n": 1}), call({"n": 2}), call({"n": 3})
    assert [it.path for it in differences([two, one], [one, two])] == ["call 1: arguments.n", "call 2: arguments.n"]
    assert [it.path for it in differences([one, two], [one])] == ["call 2: call added"]
    assert [it.path for it in differences([two, one], [one])] == ["call 1: call added"]
    assert [it.path for it in differences([one, three], [one, two, three])] == ["call 2: call missing"]
    assert [it.path for it in differences([], [one])] == ["call missing"]
    assert [it.path for it in differences([one], [])] == ["call added"]
    assert told([one, one], [one]) == ['call 2: call added: pay({"n": 1}) where the direct model says (nothing)']


def test_only_the_first_few_differences_are_kept_and_all_of_them_can_be_printed() -> None:
    hostile = {f"\x1b]0;{n}\x07\ud800": f"\u202e{n}" for n in range(500)}
    found = differences([call(hostile)], [call({})])
    assert 0 < len(found) <= 12
    assert all(part.isprintable() for it in found for part in (it.path, it.delivered, it.direct))
    assert all(len(part) <= 400 for it in found for part in (it.path, it.delivered, it.direct))


@given(_VALUES, st.randoms())
@settings(max_examples=60, deadline=None)
def test_a_call_never_differs_from_itself_however_it_is_written(value: Any, dice: Any) -> None:
    written = json.dumps(_shuffled(value, dice), ensure_ascii=dice.random() < 0.5, indent=dice.choice([None, 1]))
    assert told([call(written)], [call(json.dumps(value))]) == []


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_compared_and_never_raises(one: str, other: str) -> None:
    found = differences([call(one)], [call(other)])
    assert bool(found) == (_meaning(one) != _meaning(other))


def test_what_a_channel_tells_is_cut_and_says_so() -> None:
    long = ToolCall.of("n" * 1000, "a" * 10_000_000)
    assert (len(long.name), len(long.arguments), long.whole) == (LONGEST_NAME, LONGEST_ARGUMENTS, False)
    assert ToolCall.of("f\ud800", '"\udfff"').name == "f\ufffd"


def test_a_difference_that_the_model_could_have_made_is_no_hit() -> None:
    delivered, direct = (call({"n": 1}),), (call({"n": 2}),)
    found = differences(delivered, direct)
    base = CallComparison(delivered=delivered, direct=direct, differences=found)
    near = CallComparison(delivered=delivered, direct=direct, differences=found, gap=0.3, tau=0.5)
    far = CallComparison(delivered=delivered, direct=direct, differences=found, gap=3.0, tau=0.5)
    dark = CallComparison(delivered=delivered, direct=direct, differences=found, reason=Reason.TRUNCATED)
    assert [it.flagged for it in (base, near, far, dark)] == [True, False, True, False]
    assert base.against is ChannelRole.DIRECT


def _meaning(text: str) -> object:
    """Return what a text stands for, with booleans that are no numbers."""
    try:
        return repr(value_of(text))
    except ValueError:
        return text


def _shuffled(value: Any, dice: Any) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        dice.shuffle(keys)
        return {key: _shuffled(value[key], dice) for key in keys}
    return [_shuffled(it, dice) for it in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("delivered", "left"),
    [
        (call({"to": "Ann", "amount": 25}, name="lend"), True),
        (call({"amount": 25, "to": "Bob"}, name="lend"), True),
        (call({"to": "Bob", "amount": "25"}), True),
        (call("not json", name="lend"), False),
        (call({"to": "Bob", "amount": "25"}, name="lend"), False),
        (call({}, name="lend"), False),
        (call([25], name="lend"), False),
    ],
)
def test_a_name_or_one_argument_is_something_of_the_models_own_call(delivered: ToolCall, left: bool) -> None:
    ours = (call({"amount": 25, "to": "Ann"}),)
    assert CallComparison(delivered=(delivered,), direct=ours).partly is left
