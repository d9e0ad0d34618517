"""Proofs are C2SP tlog-proof's, and hold without the ledger."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.checkpoint import Checkpoint, sign_checkpoint
from storage.merkle import inclusion_path, leaf_hash, levels_of, root_of
from storage.note import SigningKey
from storage.proof import Proof, check
from storage.standalone.verify_ledger import Key, UnreadableError, check_proof
from watchdog.errors import LedgerError

KEY = SigningKey("example.com/watchdog", bytes(32))
STRANGER = SigningKey("example.com/watchdog", bytes(31) + b"\x01")


def _proof(size: int, index: int, leaf: bytes = b'{"kind":"stopped"}') -> Proof:
    hashes = [leaf_hash(leaf if at == index else bytes([at])) for at in range(size)]
    note = sign_checkpoint(Checkpoint(KEY.name, size, root_of(hashes)), KEY)
    return Proof(index=index, path=inclusion_path(levels_of(hashes), index), checkpoint=note, leaf=leaf)


@given(st.integers(1, 64), st.data())
def test_a_proof_reads_back_and_holds_for_both_verifiers(size: int, data: st.DataObject) -> None:
    proof = _proof(size, data.draw(st.integers(0, size - 1)), data.draw(st.binary(max_size=40)))
    again = Proof.parse(str(proof))
    assert again == proof
    assert check(again, [KEY.verifier]).size == size
    assert check_proof(str(proof), [Key.parse(str(KEY.verifier))]) == (proof.index, proof.leaf, None)


def _refuses(text: str) -> bool:
    try:
        return check_proof(text, [Key.parse(str(KEY.verifier))])[2] is not None
    except UnreadableError:
        return True


def test_its_text_is_laid_out_as_the_specification_says() -> None:
    lines = str(_proof(5, 1, b"leaf")).split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", f"extra {base64.b64encode(b'leaf').decode()}", "index 1"]
    assert [len(base64.b64decode(line)) for line in lines[3:6]] == [32, 32, 32]
    assert lines[6:9] == ["", "example.com/watchdog", "5"]


@given(st.data())
def test_a_proof_with_any_character_changed_holds_for_nobody(data: st.DataObject) -> None:
    text = str(_proof(11, 6))
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABab01+/= \n").filter(lambda it: it != text[at]))
    changed = text[:at] + other + text[at + 1 :]
    with pytest.raises(LedgerError):
        check(Proof.parse(changed), [KEY.verifier])
    assert _refuses(changed)


def test_a_proof_under_a_strangers_signature_is_refused() -> None:
    with pytest.raises(LedgerError, match="none of the known keys"):
        check(_proof(3, 1), [STRANGER.verifier])
    assert check_proof(str(_proof(3, 1)), [Key.parse(str(STRANGER.verifier))])[2] is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v2\nextra AA==\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\nextra AA==\nindex 00\n\n",
        "c2sp.org/tlog-proof@v1\nextra AA==\nindex 0\nAAAA\n\n",
        "c2sp.org/tlog-proof@v1\nextra ???\nindex 0\n\n",
    ],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(LedgerError, match="not a proof"):
        Proof.parse(text)
