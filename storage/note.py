"""Signed notes (C2SP signed-note, Ed25519): a text, a blank line, and one line for each signature.

Go's sumdb, witnesses and other logs read the same format. Signatures of unknown keys are passed over, so that a note
may carry a second one: of another algorithm, of a witness, or of the key that follows.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from watchdog.errors import LedgerError

_ED25519 = b"\x01"
_SEED_PREFIX = "PRIVATE+KEY+"
_LINE = re.compile("\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)")
_MOST_CHARACTERS = 1_000_000
_MOST_SIGNATURES = 100
"""The specification asks for at least 16."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name; written `name+id+key`."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, algorithm, key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read `name+id+key`.

        Raises LedgerError when it is not one, or not Ed25519.
        """
        key = cls(*_parts(text, text))
        if str(key) != text:
            raise _not_a_key(text)
        return key

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether the signature of the text is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key with its name. Never prints itself."""

    name: str
    seed: bytes

    @classmethod
    def create(cls, name: str) -> "SigningKey":
        """Make a new key.

        Raises LedgerError when the name cannot stand in a note.
        """
        require_name(name)
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Read what `reveal` wrote.

        Raises LedgerError, without the key in it, when it is not one.
        """
        shown = "a signing key"
        if not text.startswith(_SEED_PREFIX):
            raise _not_a_key(shown)
        key = cls(*_parts(text.removeprefix(_SEED_PREFIX), shown))
        if key.reveal() != text:
            raise _not_a_key(shown)
        return key

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self._private.public_key().public_bytes_raw())

    def reveal(self) -> str:
        """Return the private key as text; call this where it is stored, and nowhere else."""
        seed = base64.b64encode(_ED25519 + self.seed).decode()
        return f"{_SEED_PREFIX}{self.name}+{self.verifier.id.hex()}+{seed}"

    def line(self, text: str) -> str:
        """Return the signature line of a text."""
        signature = self.verifier.id + self._private.sign(text.encode())
        return f"\u2014 {self.name} {base64.b64encode(signature).decode()}\n"

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def __repr__(self) -> str:
        return f"SigningKey({self.name!r}, <secret>)"


def require_name(name: str) -> None:
    """Raise LedgerError unless the name may stand in a note: something, without spaces, plus or control characters."""
    if not name or "+" in name or any(it.isspace() or not it.isprintable() for it in name):
        raise LedgerError(
            f"{name!r} cannot name a key: it is empty, or has a space, a plus or a control character in it",
            hint="use a name like a URL without its scheme, e.g. example.com/watchdog/1",
        )


def sign(text: str, keys: Iterable[SigningKey]) -> str:
    """Return the text as a note with one signature line for each key."""
    return "".join([text, "\n", *(key.line(text) for key in keys)])


def open_note(note: str, keys: Sequence[VerifierKey]) -> tuple[str, tuple[VerifierKey, ...]]:
    """Return a note's text and which of the keys signed it.

    Raises LedgerError when it is not a note, none of the keys signed it, or a signature of one of them is wrong.
    """
    text, signatures = _split(note)
    known = {(key.name, key.id): key for key in keys}
    signers = []
    for name, key_id, signature in signatures:
        key = known.get((name, key_id))
        if key is None:
            continue
        if not key.signed(text, signature):
            raise LedgerError(f"the signature of {name} does not fit the text", hint="somebody changed the text")
        signers.append(key)
    if not signers:
        names = ", ".join(f"{name}+{key_id.hex()}" for name, key_id, _ in signatures)
        raise LedgerError(f"it is signed by {names}, and by none of the known keys", hint="check the verifier key")
    return text, tuple(signers)


def text_of(note: str) -> str:
    """Return a note's text without checking a signature.

    Raises LedgerError when it is not a note.
    """
    return _split(note)[0]


def unbase64(text: str) -> bytes | None:
    """Decode base64, of which only the one canonical form is taken: two texts never mean the same bytes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def _split(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    if len(note) > _MOST_CHARACTERS or any(it < " " and it != "\n" for it in note):
        raise _not_a_note("it is too long, or has control characters in it")
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise _not_a_note("it has no signatures after a blank line")
    lines = tail.removesuffix("\n").split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise _not_a_note(f"it has more than {_MOST_SIGNATURES} signatures")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    match = _LINE.fullmatch(line)
    blob = unbase64(match[2]) if match else None
    if match is None or blob is None or len(blob) < 5:
        raise _not_a_note("a line after the blank one is not a signature")
    return match[1], blob[:4], blob[4:]


def _parts(text: str, shown: str) -> tuple[str, bytes]:
    name, _, rest = text.partition("+")
    blob = unbase64(rest.partition("+")[2])
    if not name or blob is None or len(blob) != 33 or blob[:1] != _ED25519:
        raise _not_a_key(shown)
    require_name(name)
    return name, blob[1:]


def _not_a_key(shown: str) -> LedgerError:
    return LedgerError(
        f"{shown} is not an Ed25519 key in the form of C2SP signed-note",
        hint="a verifier key reads name+id+key; `corrigibility-watchdog audit key` prints the ledger's",
    )


def _not_a_note(why: str) -> LedgerError:
    return LedgerError(f"this is not a signed note: {why}", hint="keep checkpoints byte for byte, as text files")
