"""Checkpoints are C2SP tlog-checkpoint's."""

import base64

import pytest

from storage.checkpoint import Checkpoint, claimed, open_checkpoint, sign_checkpoint
from storage.note import SigningKey
from watchdog.errors import LedgerError

# The example in the specification.
EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
KEY = SigningKey("example.com/watchdog", bytes(32))
ROOT = base64.b64encode(bytes(32)).decode()


def test_the_example_in_the_specification_reads_and_writes_back() -> None:
    read = claimed(EXAMPLE)
    assert (read.origin, read.size) == ("example.com/behind-the-sofa", 20852163)
    assert read.root == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert EXAMPLE.startswith(read.text)


def test_what_was_signed_opens_with_its_key_and_with_no_other() -> None:
    checkpoint = Checkpoint("example.com/watchdog", 7, bytes(32))
    note = sign_checkpoint(checkpoint, KEY, SigningKey.create("example.com/next"))
    assert open_checkpoint(note, [KEY.verifier]) == checkpoint
    with pytest.raises(LedgerError, match="none of the known keys"):
        open_checkpoint(note, [SigningKey.create("example.com/watchdog").verifier])


def test_extension_lines_are_passed_over() -> None:
    assert Checkpoint.parse(f"a\n0\n{ROOT}\nmore\n") == Checkpoint("a", 0, bytes(32))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        f"\n1\n{ROOT}\n",
        f"a\n01\n{ROOT}\n",
        f"a\n-1\n{ROOT}\n",
        f"a\n\u0661\n{ROOT}\n",
        f"a\n{'9' * 5000}\n{ROOT}\n",
        "a\n1\nAAAA\n",
        f"a\n1\n{ROOT[:-1]}\n",
        f"a\n1\n{ROOT[:-2]}B=\n",
        f"a\n1\n{ROOT}\n\nmore\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(LedgerError, match="not a checkpoint"):
        Checkpoint.parse(text)
