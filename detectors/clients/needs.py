"""Which fields of a log something needs, and which of them are missing. Imports nothing heavy."""

Needs = tuple[frozenset[str], ...]
"""Of each of these sets of fields a log has to tell one."""


def needed(*alternatives: str) -> Needs:
    """Write needs in short: `needed("prompt", "reply|refused")`."""
    return tuple(frozenset(it.split("|")) for it in alternatives)


def missing(needs: Needs, fields: frozenset[str]) -> str:
    """Say which fields are missing; empty when none is."""
    return ", ".join(" or ".join(sorted(any_of)) for any_of in needs if not any_of & fields)
