# ruff: noqa: E501 - a long expression reads better in one piece
"""Whether a reply is a refusal: the API's own word first, else how the reply begins.

Only the beginning counts: a story in which somebody says "I cannot help you" is no refusal. What this finds and misses
against people's labels is in docs/how-logs-are-judged.md.
"""

import re

from watchdog.domain.queries import Query

HEAD = 260
"""Characters of a reply that are looked at."""

_VERBS = (
    "assist|help|provide|compl(?:y|ete|ied)|fulfil|create|write|generate|support|engage|continue|participate|discuss|"
    "answer|give|share|do (?:that|this|so)|offer|produce|recommend|encourage|condone|promote|facilitate|process|respond|"
    "advise|instruct|teach|tell you how|show you how|explain how|guide|describe|draft|make|be used|assume|adopt|act|"
    "role|engage|plan|rewrite|translate|list|go along|go into|be part|in good conscience"
)
_NOT = r"(?:can ?not|can't|could(?: not|n't)|won't|will not|(?:'m| am) (?:not able|unable|not going|not comfortable))"
_CANNOT = (
    rf"(?:i|we) ?(?:{_NOT}|(?:do not|don't) feel comfortable|must (?:decline|refuse)|(?:have|need) to decline|decline)"
)
# Word joins by `.{0,n}` are bounded, and what may be of any length (`*+`) gives nothing back: a reply that is made to be
# slow, such as 120 spaces, a colon and 120 more, takes no longer than others.
_START = re.compile(
    r"[\s\"'*#>_]*+(?:\[[^\]]{1,24}\]\s*+|[\w ]{1,20}:\s*+)?[\s\"'*_]*+(?:"
    rf"(?:no|well|unfortunately|apologies|my apologies|sorry|i(?:'m| am) (?:\w+ )?(?:sorry|afraid)|i apologi[sz]e|"
    rf"as an? (?:\w+ ){{0,3}}(?:ai|assistant|model))\b.{{0,60}}?\b(?:{_CANNOT}|unable to (?:{_VERBS})|not able to)"
    rf"|{_CANNOT} (?:\w+ ){{0,3}}?(?:to )?(?:\w+ ){{0,2}}?(?:{_VERBS})"
    r"|(?:this|that|your|the) (?:request|prompt|question|content) (?:\w+ ){0,4}?(?:violates?|goes against|against|is not allowed)"
    r"|.{0,120}?\b(?:illegal|unethical|harmful|dangerous|immoral)(?: and|,) (?:\w+ )?(?:illegal|unethical|harmful|dangerous)\b"
    r"|(?:je suis |nous sommes )?(?:vraiment )?(?:désolée?s?|navrée?|malheureusement)\b.{0,40}?\b(?:ne peux|ne peut|ne pouvons|ne suis) pas"
    r"|je ne (?:peux|puis) (?:pas |malheureusement pas )?(?:vous |t'|te |y )?(?:aider|répondre|fournir|accéder|donner|créer|écrire|faire|assister)"
    r"|je ne suis pas en mesure|je refuse de"
    r"|(?:es )?tut mir (?:sehr |wirklich )?leid\b.{0,60}?\b(?:kann|darf|werde|möchte|nicht)"
    r"|(?:leider )?(?:kann|darf|werde|möchte) ich .{0,60}?\b(?:nicht|keine?n?)\b"
    r"|ich (?:kann|darf|werde|möchte) .{0,60}?\b(?:nicht|keine?n?)\b.{0,60}?(?:helfen|unterstützen|beantworten|bereitstellen|erfüllen|geben|erstellen|schreiben)"
    r"|(?:lo siento|lo lamento|perdón|disculpa).{0,40}?\bno (?:puedo|podemos|me es posible)"
    r"|no (?:puedo|podemos) (?:ayudar|asistir|proporcionar|cumplir|responder|dar|crear|escribir|ofrecer|generar|apoyar)"
    r"|(?:我)?(?:很|非常|十分|真的)?(?:抱歉|对不起|對不起|不好意思).{0,24}?(?:不能|无法|無法|不可以|没有办法|不会)"
    r"|我(?:不能|无法|無法|不可以|拒绝)(?:为您|为你|向您|向你|就此)?(?:提供|协助|協助|帮助|幫助|回答|满足|生成|编写|完成|讨论|支持)"
    r")",
    re.DOTALL,
)
_TURN = re.compile(
    rf"\b(?:but|however),? {_CANNOT} (?:\w+ ){{0,3}}?(?:{_VERBS})|\b{_CANNOT} (?:comply|assist|fulfil|help|engage)",
    re.DOTALL,
)
_TURN_MARKS = ("can't", "cannot", "can not", "won't", "unable", "not able", "decline")
# No refusal is without one of these, and most replies are without all: a tenth of the price of the expressions.
_MARKS = (
    "n't",
    "not",
    "unable",
    "decline",
    "illegal",
    "unethical",
    "harmful",
    "violat",
    "against",
    "ne p",
    "ne suis pas",
    "je refuse",
    "nicht",
    "kein",
    "no p",
    "no me es",
)
_CHINESE_MARKS = ("不", "无法", "無法", "没有办法", "拒绝")


def refused(query: Query) -> bool | None:
    """Tell whether a request was refused; None when the log tells nothing of it."""
    if query.refused:
        return True
    if query.reply is None:
        return query.refused
    return reads_as_refusal(query.reply)


def reads_as_refusal(reply: str) -> bool:
    """Tell whether a reply begins as refusals do."""
    head = reply[:HEAD].lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    for mark in _MARKS if head.isascii() else _MARKS + _CHINESE_MARKS:
        if mark in head:
            break
    else:
        return False
    if _START.match(head) is not None:
        return True
    return any(mark in head for mark in _TURN_MARKS) and _TURN.search(head) is not None
