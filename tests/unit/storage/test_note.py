"""Notes are C2SP signed-note's: what other implementations signed opens here, and the other way round."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from storage.note import SigningKey, VerifierKey, open_note, sign, text_of
from watchdog.errors import LedgerError

# The vector that golang.org/x/mod/sumdb/note publishes, and that other implementations test against.
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
SIGNED = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
NOTE = f"{TEXT}\n\u2014 PeterNeumann {SIGNED}\n"
# RFC 8032, section 7.1, test 2: seed, public key, and the signature of the one byte 0x72.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
OURS = SigningKey("example.com/watchdog", SEED)


def test_the_published_note_opens_with_its_published_key() -> None:
    assert open_note(NOTE, [VerifierKey.parse(PETER)]) == (TEXT, (VerifierKey.parse(PETER),))


def test_the_published_key_signs_the_published_note() -> None:
    key = SigningKey.parse(PETER_SECRET)
    assert str(key.verifier) == PETER
    assert key.reveal() == PETER_SECRET
    assert sign(TEXT, [key]) == NOTE


def test_the_signature_is_ed25519() -> None:
    assert OURS.verifier.public == PUBLIC
    line = OURS.line("\x72").removesuffix("\n").split(" ")[2]
    assert base64.b64decode(line)[4:] == SIGNATURE


def test_a_note_is_what_the_specification_says_word_for_word() -> None:
    note = sign("a\n\nb\n", [OURS])
    text, signature = note.rsplit("\n\n", 1)
    dash, name, blob = signature.removesuffix("\n").split(" ")
    raw = base64.b64decode(blob)
    assert (dash, name) == ("\u2014", "example.com/watchdog")
    assert raw[:4] == hashlib.sha256(b"example.com/watchdog\n\x01" + PUBLIC).digest()[:4]
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(raw[4:], f"{text}\n".encode())


def test_unknown_keys_are_passed_over_and_there_is_room_for_a_second_signature() -> None:
    other = SigningKey.create("witness.example")
    note = sign(TEXT, [other, OURS])
    assert open_note(note, [OURS.verifier]) == (TEXT, (OURS.verifier,))
    assert open_note(note, [OURS.verifier, other.verifier])[1] == (other.verifier, OURS.verifier)
    longer = note + f"\u2014 post-quantum.example {base64.b64encode(bytes(2424)).decode()}\n"
    assert open_note(longer, [OURS.verifier])[0] == TEXT


def test_a_note_that_no_known_key_signed_is_refused_by_the_names_that_did() -> None:
    with pytest.raises(LedgerError, match=r"PeterNeumann\+c74f20a3.*none of the known keys"):
        open_note(NOTE, [OURS.verifier])


def test_a_known_keys_wrong_signature_spoils_the_note_even_beside_a_right_one() -> None:
    forged = base64.b64encode(OURS.verifier.id + bytes(64)).decode()
    note = sign(TEXT, [SigningKey.parse(PETER_SECRET)]) + f"\u2014 {OURS.name} {forged}\n"
    with pytest.raises(LedgerError, match="does not fit the text"):
        open_note(note, [VerifierKey.parse(PETER), OURS.verifier])


@given(st.integers(0, len(NOTE.encode()) * 8 - 1))
def test_a_note_with_any_bit_flipped_does_not_open(bit: int) -> None:
    raw = bytearray(NOTE.encode())
    raw[bit // 8] ^= 1 << bit % 8
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(LedgerError):
        open_note(text, [VerifierKey.parse(PETER)])


@given(st.integers(0, len(PETER) - 1), st.characters(codec="utf-8"))
def test_a_key_with_any_character_changed_is_no_key(at: int, character: str) -> None:
    mangled = PETER[:at] + character + PETER[at + 1 :]
    if mangled != PETER:
        with pytest.raises(LedgerError):
            VerifierKey.parse(mangled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no signature\n",
        "control \x07 character\n\n\u2014 a AAAAAAAA\n",
        "a hyphen\n\n- PeterNeumann AAAAAAAA\n",
        "not base64\n\n\u2014 PeterNeumann AAAA!AAA\n",
        "too short\n\n\u2014 PeterNeumann AAAA\n",
        "no last newline\n\n\u2014 PeterNeumann AAAAAAAA",
        "many\n\n" + "\u2014 a AAAAAAAA\n" * 101,
        "long" * 300_000 + "\n\n\u2014 a AAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(LedgerError, match="not a signed note"):
        text_of(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x00b"])
def test_a_name_that_could_be_read_two_ways_is_refused(name: str) -> None:
    with pytest.raises(LedgerError, match="cannot name a key"):
        SigningKey.create(name)


def test_a_signing_key_never_prints_itself() -> None:
    assert base64.b64encode(SEED).decode()[:20] not in f"{OURS!r}{OURS}"
    with pytest.raises(LedgerError) as caught:
        SigningKey.parse(PETER_SECRET[:-1] + "A")
    assert "AYEKFALVFGyN" not in str(caught.value)


def test_a_new_key_is_a_new_key() -> None:
    one, other = SigningKey.create("a"), SigningKey.create("a")
    assert one.seed != other.seed
    assert Ed25519PrivateKey.from_private_bytes(one.seed).public_key().public_bytes_raw() == one.verifier.public
