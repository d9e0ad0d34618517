"""Server-sent events: how every provider streams a reply."""

import re

MEDIA_TYPE = "text/event-stream"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def payloads(body: bytes) -> tuple[bytes, ...]:
    """Return the data of each whole event, in order; an event that its blank line does not end is left out."""
    found: list[bytes] = []
    data: list[bytes] = []
    for line in _LINE_END.split(body.removeprefix(_BYTE_ORDER_MARK))[:-1]:
        if not line and data:
            found.append(b"\n".join(data))
            data = []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
    return tuple(found)
