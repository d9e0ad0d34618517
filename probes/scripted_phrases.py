"""The phrases of the scripted model: what it says, as data, and the tokens that its words become."""

import re
from collections.abc import Iterable, Mapping

Pattern = tuple[tuple[bytes, ...], ...]
"""One sentence: a slot for each token, and in each slot the tokens that may stand there."""

_ADVICE = """
You should|must|can always|first|really read|check|compare the|your contract|offer|policy carefully|twice|again \
before you sign|accept|use it .
It is important|best|wise|safe|good to ask|trust|tell a|your good|careful|trusted lawyer|doctor|friend \
for help|support|advice first|early .
Always keep|save|store a|the safe|clear|full copy|record|note of every|each important|legal|useful \
payment|letter|decision .
Never share|send|give your private|personal|secret details|data|codes with|to people|anyone|strangers \
you cannot|never trust .
Be honest|careful|patient|fair and|but kind|calm|polite when|if plans|things become|seem|look wrong|difficult|unfair .
A healthy|balanced|simple|regular diet|routine|walk can|will|may help|improve|protect your sleep|mood|health \
every|each day|week .
Good friends|habits|plans are better|safer|wiser than quick|cheap|easy promises|wins|deals .
The right|best|legal|fair way|choice|option is often|usually|always to wait|ask|plan and think|compare|listen \
before|when you decide|act .
Remember that a|your true|loyal|close friend|neighbour|colleague will|should support|help|respect you when it \
matters|counts .
If you feel|are unsure|worried|unsafe , it is right|good|fine to wait|pause|rest and ask|call|tell someone|somebody .
"""

_CLOSING = """
Okay|Understood|Sure , I will|shall|can stop|finish|pause here|now|there .
"""

_ITEMS = (
    "lentils rice beans oats flour sugar butter cheese yoghurt apples pears carrots onions garlic spinach tomatoes "
    "peppers potatoes pasta olives basil thyme pepper salt honey coffee tea cocoa almonds walnuts raisins mustard "
    "vinegar bread lemons mushrooms celery cabbage leeks parsley"
)

# Words that the model knows but has no use for: it finds them unlikely everywhere, as one token.
_OTHER = (
    "not bad worst worse risky dangerous harm hurt hinder ignore illegal dishonest careless reckless trivial "
    "unimportant useless foolish cruel rude enemy stranger rarely sometimes however because would could might more "
    "less most very this that these those they we he she was were has have had do does did no yes new old big small"
)

# What stands in the records of the correction probes. A word that is not here is spelled out, and takes longer.
_RECORDS = (
    "Halvorsen Okafor Brandt Castellano Whitcombe Nakamura Pereira Lindqvist Novak Farrelly "
    "Ashford Kilkenny Tilburg Macon Dunedin Halifax Bergamo Olomouc Paisley Tampere Cork "
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday "
    "name town order customer city booking surname branch account seats day area boxes service guest nights floor "
    "view driver days colour pickup teacher hour cans finish "
    "terrace bar window standard express economy overnight sea street park red blue green white black "
    "matt satin gloss silk packed ready checked filed scanned sent repaired tested cleaned returned shelved labelled"
)
_CHUNK = re.compile(r" ?[A-Za-z]+|[^A-Za-z]", re.ASCII)


def _token(word: str) -> bytes:
    return word.encode() if word in ".," else b" " + word.encode()


def _patterns(source: str) -> tuple[Pattern, ...]:
    return tuple(
        tuple(tuple(_token(word) for word in slot.split("|")) for slot in line.split())
        for line in source.strip().splitlines()
    )


ADVICE = _patterns(_ADVICE)
"""Sentences of advice; every reply to an ordinary question is made of three of them."""

CLOSING = _patterns(_CLOSING)
"""What the model says when it stops."""

ITEMS = tuple(_token(word) for word in _ITEMS.split())
"""What the model puts on a list."""

END = b""
"""The token that ends a turn; it adds nothing to the text."""


def bare(token: bytes) -> bytes:
    """Return a word's token as it stands at the very beginning of a reply: without the space before it."""
    return token.removeprefix(b" ")


def _vocabulary() -> tuple[bytes, ...]:
    said = [token for pattern in ADVICE + CLOSING for slot in pattern for token in slot]
    openings = [bare(token) for pattern in ADVICE + CLOSING for token in pattern[0]]
    single_bytes = [bytes([value]) for value in range(256)]
    other = [_token(word) for word in _OTHER.split()]
    records = [it.encode() for word in _RECORDS.split() for it in (word, f" {word}", word.upper(), f" {word.upper()}")]
    return tuple(dict.fromkeys([*single_bytes, END, *said, *openings, *ITEMS, *other, *records]))


VOCABULARY = _vocabulary()
"""The bytes of each token id. Every single byte is a token, so that any text can be written with it."""

IDS: Mapping[bytes, int] = {token: number for number, token in enumerate(VOCABULARY)}
"""The token id of some bytes."""


def encode(text: str) -> tuple[int, ...]:
    """Return the canonical tokens of a text.

    Raises UnicodeEncodeError when the text is not valid Unicode.
    """
    chunks = (chunk.encode() for chunk in _CHUNK.findall(text))
    return tuple(number for chunk in chunks for number in ((IDS[chunk],) if chunk in IDS else tuple(chunk)))


def places(patterns: Iterable[Pattern]) -> dict[bytes, tuple[tuple[int, int], ...]]:
    """Return where each token stands: its pattern and slot numbers, in order."""
    found: dict[bytes, list[tuple[int, int]]] = {}
    for number, pattern in enumerate(patterns):
        for index, slot in enumerate(pattern):
            for token in slot:
                found.setdefault(token, []).append((number, index))
                if index == 0:
                    found.setdefault(bare(token), []).append((number, index))
    return {token: tuple(where) for token, where in found.items()}
