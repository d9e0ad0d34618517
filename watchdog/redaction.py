"""Make a customer's text fit to be shown: what names a person or opens a door is blacked out. Pure."""

import re
import unicodedata

from watchdog.domain.queries import Example
from watchdog.domain.text import printable

_MOST = 200
"""Characters of an example that are shown."""

_MOST_WHOLE = 20_000
"""Characters of an example that is shown whole: a bound, so that one request cannot fill a disk."""

_LOOKED_AT = 4_000
"""Characters that are looked at; what is behind them is never shown."""

_PARTS = (
    # In this order: a key in a URL's query is gone with the query, and a number in a key with the key.
    (r"[query]", re.compile(r"(?<=\?)[^\s\"'<>)\]}#]+(?:#\S*)?")),
    (r"[login]", re.compile(r"(?<=://)[^\s/@]{1,256}(?=@)")),
    (r"[e-mail]", re.compile(r"[\w.+%'-]{1,64}(?:@|\s?\(at\)\s?|\s?\[at\]\s?)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")),
    (r"[key]", re.compile(r"-----BEGIN [A-Z ]{1,40}-----.*?(?:-----END [A-Z ]{1,40}-----|\Z)", re.DOTALL)),
    (r"\1[key]", re.compile(r"(?i)(\bbearer\s+)[\w.~+/-]{8,}=*")),
    (
        r"\1[key]",
        re.compile(r"(?i)((?:password|passwd|passphrase|pwd|secret|token|api[_ -]?key)[\"']?\s*(?:[:=]|\bis\b)\s*)\S+"),
    ),
    (r"[key]", re.compile(r"\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|glpat|xox[abprs]|AKIA|ASIA|AIza|hf|eyJ)[-_.\w]{12,}")),
    # Letters and digits mixed, and long: nobody writes such words.
    (r"[key]", re.compile(r"\b(?=[A-Za-z+/_-]{0,99}\d)(?=[\d+/_-]{0,99}[A-Za-z])[A-Za-z0-9+/_-]{20,}={0,2}")),
    (r"[number]", re.compile(r"(?<![\w.])\+?\(?\d(?:[\s().,/-]{0,2}\d){6,}")),
)


def shown(example: Example, *, whole: bool) -> str:
    """Return an example's text as it may be shown, redacted unless `whole`; it says so when the text was erased."""
    if not example.text:
        return "(no text: the log does not tell it, or it was erased)"
    return printable(example.text, _MOST_WHOLE) if whole else redacted(example.text)


def redacted(text: str, limit: int = _MOST) -> str:
    """Return a text on one line, safe to print and cut, without addresses, numbers and keys.

    Rules, and no judgement: a name or a street stays. So examples are for those who may see requests.
    """
    # Characters that nobody sees would otherwise split an address, and hide it from the rules.
    shown = "".join(char for char in text[:_LOOKED_AT] if unicodedata.category(char) != "Cf")
    for instead, part in _PARTS:
        shown = part.sub(instead, shown)
    return printable(shown, limit)
