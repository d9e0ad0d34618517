# ruff: noqa: E501 - a long expression reads better in one piece
"""Words of steering: persona families, overrides of the system prompt, demonstrations in one prompt, harmful topics.

The expressions are written from general knowledge of published jailbreaks. What they find and miss on public ones is in
docs/how-logs-are-judged.md: half of each set was looked at while writing them, and the figures are those of the other.
All of them read words in lower case with single spaces between (`folding.words`), and only the passages around the
words of two lists, which nearly all of them need: that costs a tenth.
"""

import re
from collections.abc import Iterator

_RULES = (
    rb"(?:rules?|restrictions?|limit(?:s|ations?)?|filters?|filtering|guidelines?|censorship|morals?|morality|moral compass|"
    rb"ethics|ethical(?: \w+)?|moral (?:\w+ )?|polic(?:y|ies)|warnings?|disclaimers?|boundaries|constraints|regard|concern|inhibitions|"
    rb"consequences|laws?|principles|standards|safeguards|programming)"
)
_FREE_OF = (
    rb"(?:no|without|free (?:of|from)|not bound (?:by|to)|unbound by|isn't bound (?:by|to)|aren't bound (?:by|to)|not confined (?:by|to)|hasn't|"
    rb"not (?:have to )?abide by|don't (?:have to )?(?:follow|abide by|care about)|doesn't (?:have to )?(?:follow|abide by|care about|have)|"
    rb"do not (?:have to )?(?:follow|abide by|care about|have)|does not (?:have to )?(?:follow|abide by|care about|have)|not limited by|"
    rb"not restricted by|bypass(?:es|ing)?|broken free (?:of|from)|regardless of|ignor(?:e|es|ing)|lacks?|devoid of|unaffected by|"
    rb"never cares? about|not care (?:about|for)|no longer (?:bound|restricted|limited) by|exempt from|not adhere to|never follow)"
)
_WHO = rb"(?:ai|bot|chatbot|assistant|model|persona|character|chatgpt|gpt|you|he|she|it|they|machine|robot|role|mode|entity|response|answer)"

_FREED = re.compile(rb"\b" + _FREE_OF + rb"(?: \S+){0,5} " + _RULES + rb"\b")
_LAWLESS = re.compile(
    rb"\b(?:amoral|unfiltered|uncensored|unrestricted|unethical|immoral|unhinged|unmoderated|(?:non ?)restricted|unlimited|unchained|unaligned)\b|"
    rb"\b(?:never|not|cannot|can't|can not|won't|doesn't|don't|without)(?: ever)? (?:refus(?:e|es|ing)|reject(?:s|ing)?|declin(?:e|es|ing)|say no|deny|denies)\b"
)
_BEFORE_IT = 24
"""Bytes before what was found that are returned with it: they tell one persona from another."""
_PERSON = re.compile(rb"\b" + _WHO + rb"\b")
_BEFORE, _AFTER = 12, 14
"""Words before and after one that is looked for, in which the rest has to stand."""
_PERSONA = re.compile(
    rb"\bdo anything (?:now|and everything)\b|\bjail ?br(?:eak|oken)|\b(?:developer|dan|god|unrestricted|jailbreak|evil|opposite|chaos|admin|debug) mode\b|"
    rb"\bdan (?:\S+ ){0,12}?(?:now|chatgpt|rules|anything|prompt|token)|\b(?:as|be|be called|named|like) dan\b|\baim (?:\S+ ){0,8}?machiavell|"
    rb"\b(?:always|both) (?:intelligent and )?machiavellian\b|"
    rb"\bno longer (?:chatgpt|an? ai|an? assistant|a language model|bound|gpt|claude)|\b(?:never|not|without) (?:ever )?break(?:ing)? (?:out of )?character\b|"
    rb"\bopenai(?:'s)? (?:content )?(?:polic|guideline|rule|restriction)|\bcontent polic|"
    rb"\b(?:two|2) (?:different )?(?:responses|ways|answers|replies|paragraphs) (?:\S+ ){0,40}?(?:chatgpt|gpt|classic|unfiltered)|"
    rb"\bevil (?:\w+ )?(?:confidant|twin|bot|ai|trusted)\b|"
    rb"\b(?:no matter how|even if|regardless of) (?:\S+ ){0,6}(?:illegal|unethical|immoral|harmful|offensive)|"
    rb"\bhypothetical (?:response|world|story) (?:\S+ ){0,20}?(?:illegal|unethical)\b"
)
_TARGETS = (
    rb"(?:instructions?|directions?|directives?|prompts?|rules|guidelines|commands?|orders|training|programming|polic(?:y|ies)|"
    rb"restrictions|constraints|conversation|messages?|context|safeguards|filters)"
)
_OVERRIDE = re.compile(
    rb"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|override|overrule|bypass|let go of|set aside|drop|abandon|violate)"
    rb"(?: (?:all|any|every|everything|the|your|of|my|our|previous|prior|preceding|above|earlier|past|existing|original|initial|"
    rb"these|those|other|system|safety|content|openai's|anthropic's|in|about|and|that|you|have|were|got|given|i|ever)){1,9} "
    + _TARGETS
    + rb"\b|"
    rb"\b(?:ignore|disregard|forget) (?:all|everything|anything)(?: \S+){0,4} (?:above|before|previously|prior|said|told|learned|know)\b|"
    rb"\b(?:new|updated|real|actual) (?:system )?(?:instructions|prompt|directive)s? (?:is|are|from|follow|begin|start)|"
    rb"\b(?:reveal|leak|dump)(?: \S+){0,4} (?:system prompt|initial (?:prompt|instructions)|hidden (?:prompt|instructions))|"
    rb"\b(?:system prompt|prompt|instructions)(?: \S+){0,4} verbatim\b|\bverbatim(?: \S+){0,6} (?:system prompt|instructions)\b|"
    rb"\bsystem override\b|\boverride (?:mode|code|protocol|safety)|\bend of system prompt\b|\bbegin new (?:session|instructions)|"
    rb"\bignor(?:e|ez|er) (?:toutes? )?(?:les |vos |tes )?(?:instructions|consignes|r\xc3\xa8gles)|\boublie[zr]? (?:toutes? )?(?:les |vos |tes )?(?:instructions|consignes|r\xc3\xa8gles)|"
    rb"\b(?:ignorieren?|ignoriere|vergiss|missachte|vergessen)(?: sie)?(?: (?:alle|alles|deine|ihre|die|s\xc3\xa4mtliche|vorherigen|bisherigen|vorigen|fr\xc3\xbcheren)){1,4} (?:anweisungen|regeln|vorgaben|instruktionen)|"
    rb"\b(?:ignora|ignore|olvida|descarta)(?: (?:todas?|todo|las|tus|sus|mis)){1,3} (?:instrucciones|reglas|indicaciones|\xc3\xb3rdenes|directrices)|"
    rb"\xe5\xbf\xbd\xe7\x95\xa5.{0,30}?(?:\xe6\x8c\x87\xe4\xbb\xa4|\xe6\x8c\x87\xe7\xa4\xba|\xe8\xa7\x84\xe5\x88\x99|\xe6\x8f\x90\xe7\xa4\xba)"
)

_OF_PERSONAS = frozenset(
    b"dan aim jailbreak jailbreaking jailbroken jailbreaks mode amoral unfiltered uncensored unrestricted unethical immoral unhinged "
    b"unmoderated unaligned unchained restricted unlimited refuse refuses refusing reject rejects rejecting deny denies declining restrictions "
    b"limits limitations filters filter filtering guidelines censorship morals morality ethics ethical warnings disclaimers boundaries constraints "
    b"policy policies inhibitions safeguards principles consequences character chatgpt openai openai's evil hypothetical machiavellian "
    b"illegal rules laws anything moral".split()
)
_OF_OVERRIDES = frozenset(
    b"ignore ignoring disregard disregarding forget override overrule bypass abandon violate reveal verbatim aside leak dump "
    b"ignorez ignorer oubliez oublie vergiss ignoriere ignorieren missachte vergessen ignora olvida descarta directive".split()
) | {"忽略".encode()}

_TRIGGERS = _OF_PERSONAS | _OF_OVERRIDES

_SENSITIVE = frozenset(
    b"bomb bombs bombing explosive explosives explosion detonate detonator grenade firearm firearms gun guns weapon weapons ammunition malware ransomware spyware trojan "
    b"keylogger rootkit botnet phishing hack hacking hacker exploit exploits ddos meth methamphetamine cocaine heroin fentanyl mdma lsd drugs narcotics poison poisoning "
    b"toxin ricin sarin anthrax bioweapon bioweapons pathogen nerve kill killing murder murdering assassinate suicide self-harm harm overdose terrorist terrorism "
    b"terrorists massacre genocide holocaust hitler nazi supremacist racist sexist xenophobic homophobic antisemitic slur slurs hate stalk stalking cyberstalking "
    b"blackmail extort extortion kidnap kidnapping torture rape sexual pornographic porn nude steal stealing theft shoplift robbery rob burglary counterfeit forge "
    b"forged launder laundering fraud fraudulent scam scams ponzi embezzle bribe bribery evade evasion smuggle smuggling trafficking illegal illegally defamatory "
    b"libel disinformation misinformation conspiracy propaganda bully bullying harass harassment abuse anorexia insider hijack sabotage arson cannibal cannibals "
    b"child minors violence violent deadly lethal untraceable undetected bypass plagiarize plagiarism credentials passwords".split()
)

_DEMONSTRATIONS = (
    b"assistant:",
    b"assistant\n",
    b"\nai:",
    b" ai:",
    b"\nbot:",
    b"\nmodel:",
    b"chatgpt:",
    b"\na:",
    b"### response",
    b"[/inst]",
)
MOST_OF_A_PROMPT = 65_536
"""Characters in which demonstrations are counted."""
_FEWEST = 8
"""Demonstrations that are counted; fewer are none."""


def steering(of_words: list[bytes]) -> tuple[bytes, bytes]:
    """Return the words that invoke a persona without rules, and those that override the system prompt; or nothing."""
    if _TRIGGERS.isdisjoint(of_words):
        return b"", b""
    return (
        next(filter(None, map(_lawless, _around(of_words, _OF_PERSONAS))), b""),
        next(filter(None, map(_overriding, _around(of_words, _OF_OVERRIDES))), b""),
    )


def _around(of_words: list[bytes], triggers: frozenset[bytes]) -> Iterator[bytes]:
    """Yield the passages around triggers; those that overlap in one."""
    start = end = -1
    for place, word in enumerate(of_words):
        if word in triggers:
            if end < 0 or place - _BEFORE > end:
                if end > 0:
                    yield b" ".join(of_words[start:end])
                start = max(0, place - _BEFORE)
            end = place + _AFTER
    if end > 0:
        yield b" ".join(of_words[start:end])


def _lawless(passage: bytes) -> bytes:
    """Return the words of a passage that describe somebody without rules, who is to answer."""
    found = _PERSONA.search(passage)
    if found is None and _PERSON.search(passage) is not None:
        found = _LAWLESS.search(passage) or _FREED.search(passage)
    return _with_what_is_before(passage, found)


def _overriding(passage: bytes) -> bytes:
    return _with_what_is_before(passage, _OVERRIDE.search(passage))


def _with_what_is_before(passage: bytes, found: re.Match[bytes] | None) -> bytes:
    if found is None:
        return b""
    return passage[max(0, found.start() - _BEFORE_IT) : found.end()]


def sensitive(of_words: list[bytes]) -> frozenset[bytes]:
    """Return the words that touch topics which models are taught to refuse; most uses of them are harmless."""
    return _SENSITIVE.intersection(of_words)


def demonstrations(prompt: str) -> int:
    """Return how many answers of an assistant are written out in one prompt; fewer than eight may count as none."""
    # Every mark has a colon, a line feed or a slash in it: most prompts are told apart by counting these.
    if prompt.count(":") < _FEWEST and prompt.count("\n") < _FEWEST and prompt.count("[/") < _FEWEST:
        return 0
    text = prompt[:MOST_OF_A_PROMPT].encode("utf-8", "surrogatepass").lower()
    return max(text.count(mark) for mark in _DEMONSTRATIONS)
