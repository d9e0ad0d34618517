"""What a router does to the arguments of a tool call."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchdog.domain.calls import differences
from watchdog.domain.tools import ToolCall
from watchdog.rehearsal.call_editing import edit_arguments

_PLAIN = st.text(max_size=9) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.text(min_size=1, max_size=5), _PLAIN, min_size=1, max_size=4), st.integers())
@settings(max_examples=80, deadline=None)
def test_exactly_one_argument_is_changed_and_the_same_dice_change_the_same(
    values: dict[str, object], seed: int
) -> None:
    text = json.dumps(values)
    made = edit_arguments(text, random.Random(seed))
    assert made == edit_arguments(text, random.Random(seed))
    assert made is not None
    assert json.loads(made.text) == values | {made.key: made.edited}
    assert len(differences([ToolCall.of("f", made.text)], [ToolCall.of("f", text)])) == 1


@pytest.mark.parametrize("arguments", ["", "{}", "[1]", "not json", '{"a": [1]}', '{"a": true}', '{"a": 1, "a": 2}'])
def test_where_there_is_no_plain_argument_nothing_is_changed(arguments: str) -> None:
    assert edit_arguments(arguments, random.Random(1)) is None
