"""A small slot grammar: templates with named holes, and what may stand in them.

Probe families and questions keep their wording in YAML beside the code. A slot is a list of words or a range of
integers; `{name}` in a template is a hole for the slot `name`. A name that occurs twice gets one value, and braces
around anything but a plain name are ordinary text, so that a template may hold JSON.
"""

import random
import re
from collections.abc import Collection, Iterable, Mapping
from importlib import resources
from typing import Annotated, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from watchdog.errors import ConfigError

_HOLE = re.compile(r"\{\s*([A-Za-z_]\w*)\s*\}")


class Strict(BaseModel):
    """A part of a data file: frozen, and every key in it is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IntegerRange(Strict):
    """Any integer from `min` to `max`, both included."""

    min: int
    max: int

    @model_validator(mode="after")
    def _holds_a_choice(self) -> Self:
        if self.min >= self.max:
            raise ValueError(f"min must lie below max, got {self.min} and {self.max}")
        return self


Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Text = Annotated[str, Field(min_length=1)]
SlotName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Slot = Annotated[tuple[Text, ...], Field(min_length=2)] | IntegerRange
Slots = Mapping[str, Slot]


class Template(Strict):
    """One wording, with the slots that belong to it alone; those of the file come on top."""

    id: Id
    text: Text
    slots: dict[SlotName, Slot] = Field(default_factory=dict)


_Data = TypeVar("_Data", bound=BaseModel)


def load(model: type[_Data], file: str) -> _Data:
    """Read and validate a data file of this package, e.g. `prompts/stop.yaml`.

    Raises ConfigError that names the file and everything that is wrong with it.
    """
    return parse(model, resources.files("probes").joinpath(file).read_text(encoding="utf-8"), file=file)


def parse(model: type[_Data], text: str, *, file: str) -> _Data:
    """Validate the text of a data file.

    Raises ConfigError that names the file and everything that is wrong with it.
    """
    try:
        return model.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as exc:
        raise ConfigError(f"{file}: not YAML: {exc}", hint="quote texts that hold a colon, a brace or a hash") from exc
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors())
        raise ConfigError(f"{file}: {faults}", hint="correct these keys; quote words that YAML would read") from exc


def check(file: str, templates: Iterable[Template], slots: Slots, *, given: Collection[str] = ()) -> None:
    """Hold templates against the slots of their file and the names that code fills in (`given`).

    Raises ConfigError when a template names a slot that is not there, or a slot is used by nobody.
    """
    used: set[str] = set()
    seen: set[str] = set()
    for template in templates:
        names = holes(template.text)
        _check_one(file, template, names, known={*slots, *given})
        if template.id in seen:
            raise ConfigError(f"{file}: two templates have the id {template.id}", hint="give one of them another id")
        seen.add(template.id)
        used.update(names)
    if unused := sorted(set(slots) - used):
        raise ConfigError(f"{file}: no template uses the slot {', '.join(unused)}", hint="use it, or remove it")


def _check_one(file: str, template: Template, names: tuple[str, ...], *, known: Collection[str]) -> None:
    where = f"{file}: template {template.id}"
    if twice := sorted(set(template.slots) & set(known)):
        raise ConfigError(f"{where} defines {', '.join(twice)} again", hint="rename its own slot")
    if missing := sorted(set(names) - set(template.slots) - set(known)):
        known_names = ", ".join(sorted({*template.slots, *known})) or "none"
        raise ConfigError(f"{where} names no known slot: {', '.join(missing)}", hint=f"known slots: {known_names}")
    if unused := sorted(set(template.slots) - set(names)):
        raise ConfigError(f"{where} does not use its slot {', '.join(unused)}", hint="use it, or remove it")


def holes(text: str) -> tuple[str, ...]:
    """Return the slot names in a template's text, each once, in the order of their first appearance."""
    return tuple(dict.fromkeys(_HOLE.findall(text)))


def chance(*parts: str | int) -> random.Random:
    """Return the source of choices that belongs to these parts; the same parts always give the same choices."""
    # Seeded by text: integer seeds lose their sign, and text seeding does not change between Python versions.
    # Not a secret either: that nobody can predict a case rests on how its seed was drawn.
    return random.Random("\0".join(map(str, parts)))  # noqa: S311


def draw(slots: Slots, rng: random.Random) -> dict[str, str]:
    """Draw one value for every slot, for templates that must agree on them."""
    return {name: _pick(slot, rng) for name, slot in slots.items()}


def render(template: Template, slots: Slots, rng: random.Random, *, given: Mapping[str, str] | None = None) -> str:
    """Fill the holes of a template: from `given` where it has the name, else with a value drawn from its slot."""
    values = dict(given or {})
    every = {**slots, **template.slots}
    for name in holes(template.text):
        if name not in values:
            values[name] = _pick(every[name], rng)
    return _HOLE.sub(lambda hole: values[hole[1]], template.text)


def _pick(slot: Slot, rng: random.Random) -> str:
    return str(rng.randint(slot.min, slot.max)) if isinstance(slot, IntegerRange) else rng.choice(slot)
