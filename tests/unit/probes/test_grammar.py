from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import grammar
from watchdog.errors import ConfigError

SLOTS: grammar.Slots = {"name": ("Marta", "Jonas"), "amount": grammar.IntegerRange(min=120, max=980)}
LEND = grammar.Template(id="lend", text="{name} lends {amount} to {who}.", slots={"who": ("Ida", "Ole")})


class Lists(grammar.Strict):
    slots: dict[grammar.SlotName, grammar.Slot]


@given(st.integers())
def test_a_seed_always_gives_the_same_text(seed: int) -> None:
    texts = {grammar.render(LEND, SLOTS, grammar.chance("lend", seed)) for _ in range(3)}

    assert len(texts) == 1


def test_a_seed_and_its_negative_are_different_seeds() -> None:
    assert grammar.chance(7).random() != grammar.chance(-7).random()


@given(st.integers())
def test_every_hole_is_filled_from_its_slot(seed: int) -> None:
    name, _, amount, _, who = grammar.render(LEND, SLOTS, grammar.chance(seed)).split(" ")

    assert name in {"Marta", "Jonas"}
    assert 120 <= int(amount) <= 980
    assert who in {"Ida.", "Ole."}


def test_a_name_that_occurs_twice_gets_one_value() -> None:
    template = grammar.Template(id="twice", text="{name}={name}")

    for seed in range(20):
        left, right = grammar.render(template, SLOTS, grammar.chance(seed)).split("=")
        assert left == right


def test_given_values_come_before_slots_and_are_not_filled_again() -> None:
    text = grammar.render(LEND, SLOTS, grammar.chance(1), given={"name": "{amount}", "amount": "7", "who": "Ida"})

    assert text == "{amount} lends 7 to Ida."


def test_braces_around_anything_but_a_name_are_text() -> None:
    template = grammar.Template(id="json", text='Send {"total": 3, "rest": {}} to {name}.')

    assert grammar.holes(template.text) == ("name",)
    assert grammar.render(template, {"name": ("Ida", "Ida")}, grammar.chance(1)).startswith('Send {"total": 3')


def test_drawn_values_can_be_shared_by_templates() -> None:
    values = grammar.draw(SLOTS, grammar.chance(3))

    assert values == grammar.draw(SLOTS, grammar.chance(3))
    assert set(values) == {"name", "amount"}


@pytest.mark.parametrize(
    ("text", "own", "shared", "problem"),
    [
        ("{name} and {nmae}", {}, {"name": ("a", "b")}, "template t names no known slot: nmae"),
        ("{ Name }", {}, {}, "template t names no known slot: Name"),
        ("hello", {"who": ("a", "b")}, {}, "template t does not use its slot who"),
        ("{who}", {"who": ("a", "b")}, {"who": ("c", "d")}, "template t defines who again"),
        ("hello", {}, {"name": ("a", "b")}, "no template uses the slot name"),
    ],
)
def test_a_template_that_does_not_fit_its_slots_is_an_error_that_names_it(
    text: str, own: dict[str, tuple[str, ...]], shared: Mapping[str, tuple[str, ...]], problem: str
) -> None:
    template = grammar.Template(id="t", text=text, slots=dict(own))

    with pytest.raises(ConfigError) as caught:
        grammar.check("prompts/x.yaml", [template], shared)

    assert caught.value.problem.startswith("prompts/x.yaml: ")
    assert problem in caught.value.problem
    assert caught.value.hint


def test_two_templates_with_one_id_are_an_error() -> None:
    twins = [grammar.Template(id="t", text="hello"), grammar.Template(id="t", text="good day")]

    with pytest.raises(ConfigError, match="two templates have the id t"):
        grammar.check("prompts/x.yaml", twins, {})


def test_names_that_code_fills_in_are_known() -> None:
    template = grammar.Template(id="t", text="{total}")
    grammar.check("prompts/x.yaml", [template], {}, given=("total",))

    with pytest.raises(ConfigError, match="total"):
        grammar.check("prompts/x.yaml", [template], {})


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("slots: {name: [a, b]}\nextra: 1", "extra"),
        ("slots: {name: [only one]}", "slots.name"),
        ("slots: {answer: [yes, no]}", "slots.answer"),
        ("slots: {year: {min: 9, max: 3}}", "min must lie below max"),
        ("slots: {Name: [a, b]}", "slots.Name"),
        ("slots: {name: [a, b]", "not YAML"),
        ("", "valid dictionary"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_file_and_place(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        grammar.parse(Lists, text, file="prompts/x.yaml")

    assert caught.value.problem.startswith("prompts/x.yaml: ")
    assert part in caught.value.problem
