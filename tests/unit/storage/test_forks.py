"""A ledger that goes on from a backup: what its declaration has to say, and what no declaration can hide."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.chain import Change, key_chain
from storage.checkpoint import Checkpoint, sign_checkpoint
from storage.codec import encode
from storage.keys import endorse
from storage.merkle import tree_of
from storage.note import SigningKey, VerifierKey
from storage.standalone import verify_ledger
from storage.trust import Kept, fork_faults, head_faults, kept_faults
from tests.builders import at
from watchdog.domain.actors import Actor
from watchdog.domain.decisions import Alive, Decision, ForkDeclared, Handover, KeyAdopted

OLD, NEW, STRANGER = SigningKey.create("a"), SigningKey.create("a-fork"), SigningKey.create("b")
ADA = Actor(name="Ada", uid=0)


def adopt(key: SigningKey, endorsement: str | None = None) -> KeyAdopted:
    return KeyAdopted(at=at(0), origin=key.name, key=str(key.verifier), endorsement=endorsement)


def alive(count: int, rounds: int = 0) -> list[Decision]:
    return [Alive(at=at(60), rounds=rounds + it, failed=0, missed=0) for it in range(count)]


@dataclass(frozen=True)
class History:
    """Leaves, and who signs them in the end."""

    leaves: Sequence[Decision] = field(default_factory=lambda: [adopt(OLD), *alive(4)])
    key: SigningKey = OLD

    def checkpoint(self, size: int, key: SigningKey | None = None) -> str:
        signer = key or self.key
        root = tree_of([encode(it) for it in self.leaves[:size]]).root
        return sign_checkpoint(Checkpoint(signer.name, size, root), signer)

    def then(self, more: Sequence[Decision]) -> "History":
        return replace(self, leaves=[*self.leaves, *more])

    def declaration(self, size: int, new: SigningKey = NEW, lost: str | None = None) -> ForkDeclared:
        return ForkDeclared(
            at=at(120),
            origin=new.name,
            key=str(new.verifier),
            parent_origin=self.key.name,
            parent_size=size,
            parent_root=tree_of([encode(it) for it in self.leaves[:size]]).root.hex(),
            parent_checkpoint=self.checkpoint(size),
            endorsement=endorse(self.key, new.verifier),
            reason="the disk failed",
            by=ADA,
            lost=lost,
        )

    def forked(self, size: int, declared: ForkDeclared | None = None, new: SigningKey = NEW) -> "History":
        return History([*self.leaves[:size], declared or self.declaration(size, new)], new)


def judge(
    history: History,
    kept: Sequence[str] = (),
    keys: Sequence[SigningKey] = (OLD,),
    accepted: Sequence[SigningKey] = (),
) -> list[str]:
    """Return the first word of every fault that both verifiers name; they must agree."""
    bodies = [encode(it) for it in history.leaves]
    trusted, forks = [it.verifier for it in keys], [it.verifier for it in accepted]
    changes = [
        Change(index, it, (tree_of(bodies[:index]).root,), None)
        for index, it in enumerate(history.leaves)
        if isinstance(it, Handover)
    ]
    chain, size = key_chain(changes, trusted, forks), len(bodies)
    notes = [Kept(f"k{number}", note, _claim(note)) for number, note in enumerate(kept)]
    roots = {it.claim.size: [tree_of(bodies[: it.claim.size]).root] for it in notes if it.claim.size <= size}
    own = history.checkpoint(size)
    told, held = fork_faults(chain), kept_faults(notes, chain, size, roots)
    ours = [*chain.faults, *head_faults(own, chain, _claim(own)), *told.faults, *held.faults]
    theirs = _standalone(bodies, own, kept, trusted, forks)
    assert sorted(map(_word, ours)) == sorted(map(_word, theirs)), (ours, theirs)
    unsigned = [sum("did not sign" in it for it in told_) for told_ in (ours, theirs)]
    assert unsigned[0] == unsigned[1], (ours, theirs)
    return ours


def _standalone(
    bodies: Sequence[bytes],
    own: str,
    kept: Sequence[str],
    trusted: Sequence[VerifierKey],
    accepted: Sequence[VerifierKey],
) -> list[str]:
    keys, forks = ([verify_ledger.Key.parse(str(it)) for it in given] for given in (trusted, accepted))
    sizes = {_claim(note).size for note in kept}
    ledger = verify_ledger.Ledger(keys, forks, sizes, timedelta(days=1), (date.max, date.max))
    ledger.note_root()
    for index, body in enumerate(bodies):
        ledger.take(index, body)
    faults, _ = verify_ledger.check_ledger(ledger, own, {Path(f"k{at_}"): note for at_, note in enumerate(kept)})
    return faults


def _claim(note: str) -> Checkpoint:
    return Checkpoint.parse(note.split("\n\n", maxsplit=1)[0] + "\n")


def _word(fault: str) -> str:
    return fault.split(":", maxsplit=1)[0]


def test_a_declared_fork_shows_until_its_key_is_given_and_the_old_key_is_enough_for_the_rest() -> None:
    history = History().forked(3).then(alive(2))
    (fault,) = judge(history)
    assert fault.startswith("FORKED: leaf 3 declares that Ada restored a backup on 2026-03-01: the disk failed")
    assert str(NEW.verifier) in fault
    assert judge(history, accepted=[NEW]) == []
    assert judge(history, keys=[], accepted=[NEW]) == []
    assert judge(history, keys=[OLD, NEW], accepted=[NEW]) == []


def test_knowing_the_new_key_is_not_accepting_what_was_lost() -> None:
    history = History().forked(3)
    lost = History().checkpoint(5)
    assert [_word(it) for it in judge(history, [lost], keys=[NEW])] == ["FORKED", "TRUNCATED"]
    assert judge(history, [lost], keys=[NEW], accepted=[NEW]) == []


def test_what_a_kept_checkpoint_covers_and_the_backup_did_not_is_named_leaf_by_leaf() -> None:
    truncated = judge(History().forked(3), [History().checkpoint(5)])[-1]
    assert truncated == (
        "TRUNCATED: leaves 3 to 4 of a, which k0 covers, are gone; "
        "leaf 3 declares that Ada restored a backup on 2026-03-01: the disk failed"
    )


def test_the_record_itself_says_what_is_lost_when_somebody_had_a_checkpoint_of_it() -> None:
    history = History().forked(3, History().declaration(3, lost=History().checkpoint(5)))
    (fault,) = judge(history)
    assert "of which leaves 3 to 4 are lost" in fault


def test_a_fork_of_a_fork_has_to_be_accepted_by_itself() -> None:
    again = SigningKey.create("a-fork-2")
    history = History().forked(3).then(alive(3)).forked(5, new=again)
    assert [_word(it) for it in judge(history)] == ["FORKED", "FORKED"]
    assert [_word(it) for it in judge(history, accepted=[NEW])] == ["FORKED"]
    assert judge(history, accepted=[NEW, again]) == []
    middle = History().forked(3).then(alive(3)).checkpoint(6)
    assert [_word(it) for it in judge(history, [middle], accepted=[NEW])] == ["FORKED", "TRUNCATED"]
    assert judge(history, [History().checkpoint(2), middle], accepted=[NEW, again]) == []


def test_a_key_changes_after_a_fork_as_before_it() -> None:
    after = SigningKey.create(NEW.name)
    history = History().forked(3).then([adopt(after, endorse(NEW, after.verifier))])
    history = replace(history, key=after)
    assert judge(history, accepted=[NEW]) == []
    assert [
        _word(it) for it in judge(replace(history, leaves=[*history.leaves[:-1], adopt(after)]), accepted=[NEW])
    ] == ["FORKED"]


def test_a_key_that_was_adopted_after_the_backup_can_hand_over_to_who_knows_it() -> None:
    """The leaf that adopted it was lost; the key was not."""
    between = SigningKey.create(OLD.name)
    declared = replace(History().declaration(3), endorsement=endorse(between, NEW.verifier))
    history = History().forked(3, declared)
    assert "did not sign this" in judge(history)[0]
    (known,) = judge(history, keys=[between])
    assert "did not sign this" not in known
    lost = History([*History().leaves, adopt(between, endorse(OLD, between.verifier))], between).checkpoint(6)
    assert [_word(it) for it in judge(history, [lost], keys=[between])] == ["FORKED", "TRUNCATED"]
    assert judge(history, [lost], keys=[OLD, between], accepted=[NEW]) == []


ROOT = bytes.fromhex(History().declaration(3).parent_root)
FORGED: dict[str, dict[str, object]] = {
    "parent_root": {"parent_root": "00" * 32},
    "parent_root, not hex": {"parent_root": "nothing"},
    "parent_size, too small": {"parent_size": 2},
    "parent_size, too large": {"parent_size": 4},
    "parent_origin": {"parent_origin": "b"},
    "parent_checkpoint, of another size": {"parent_checkpoint": History().checkpoint(2)},
    "parent_checkpoint, of another key": {"parent_checkpoint": History().checkpoint(3, STRANGER)},
    "parent_checkpoint, of the new key": {"parent_checkpoint": History().checkpoint(3, NEW)},
    "parent_origin, under the parent's own signature": {
        "parent_origin": "b",
        "parent_checkpoint": sign_checkpoint(Checkpoint("b", 3, ROOT), OLD),
    },
    "parent_size, under the parent's own signature": {
        "parent_size": 2,
        "parent_checkpoint": sign_checkpoint(Checkpoint("a", 2, ROOT), OLD),
    },
    "parent_checkpoint, none": {"parent_checkpoint": ""},
    "origin": {"origin": "c"},
    "origin of the parent": {"origin": "a", "key": str(OLD.verifier)},
    "key": {"key": "nothing"},
    "lost, nothing": {"lost": "nothing"},
    "lost, not beyond": {"lost": History().checkpoint(3)},
    "lost, of another": {"lost": History().checkpoint(5, STRANGER)},
}


@pytest.mark.parametrize("what", FORGED)
def test_a_declaration_that_contradicts_the_leaves_is_named_however_well_it_is_signed(what: str) -> None:
    declared = replace(History().declaration(3), **FORGED[what])  # type: ignore[arg-type]
    faults = judge(History().forked(3, declared), accepted=[NEW])
    assert any(it.startswith("ALTERED: leaf 3") for it in faults)


@pytest.mark.parametrize(
    "endorsement",
    [
        None,
        endorse(STRANGER, NEW.verifier),
        endorse(OLD, STRANGER.verifier),
        endorse(NEW, NEW.verifier),
        History().checkpoint(3),
        "nothing",
    ],
)
def test_an_endorsement_that_the_parent_did_not_give_shows(endorsement: str | None) -> None:
    history = History().forked(3, replace(History().declaration(3), endorsement=endorsement))
    for known in ([OLD], [NEW], [OLD, NEW]):
        (fault,) = judge(history, keys=known)
        assert "the parent's key did not sign this" in fault
    assert judge(history, accepted=[NEW]) == []


def test_a_declaration_at_the_very_beginning_is_of_nothing() -> None:
    history = History([History().declaration(0), *alive(2)], NEW)
    assert any(it.startswith("ALTERED: leaf 0 declares a fork of a") for it in judge(history, keys=[]))


def test_who_goes_on_without_declaring_is_found_by_every_later_checkpoint() -> None:
    original = History()
    silent = History(original.leaves[:3]).then(alive(6, rounds=100))
    assert judge(silent, [original.checkpoint(3)]) == []
    assert [_word(it) for it in judge(silent, [original.checkpoint(5)])] == ["FORKED"]
    # To declare a fork afterwards, further on, does not help.
    late = silent.forked(7)
    assert [_word(it) for it in judge(late, [original.checkpoint(5)], accepted=[NEW])] == ["FORKED"]


def test_a_thief_cannot_pass_a_cut_off_as_a_fork_that_was_accepted() -> None:
    mine = SigningKey.create("a-fork")
    stolen = History().forked(2, new=mine)
    kept = [History().checkpoint(4)]
    assert [_word(it) for it in judge(stolen, kept)] == ["FORKED", "TRUNCATED"]
    # The name is the one that was accepted; the key is not.
    assert len(judge(stolen, kept, accepted=[NEW])) == 3


def test_a_key_signs_under_its_own_name_only() -> None:
    history = History().forked(3).then(alive(2))
    root = tree_of([encode(it) for it in history.leaves[:5]]).root
    with_old = sign_checkpoint(Checkpoint(NEW.name, 5, root), OLD)
    assert [_word(it) for it in judge(history, [with_old], accepted=[NEW])] == ["FORKED"]


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[History, list[str], list[str]]:
    """A history with a fork, checkpoints from before, after and beside it, and what each has to be called."""
    parent = History().then(alive(draw(st.integers(0, 6)), rounds=50))
    size = draw(st.integers(1, len(parent.leaves)))
    child = parent.forked(size).then(alive(draw(st.integers(0, 5)), rounds=70))
    split = draw(st.integers(1, len(parent.leaves) - 1))
    beside = History(parent.leaves[:split]).then(alive(len(parent.leaves), rounds=90))
    longer = child.then(alive(4, rounds=80))
    kept, words = [], []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["parent", "child", "beside", "longer", "too early", "stranger"]))
        if kind == "parent":
            at_ = draw(st.integers(1, len(parent.leaves)))
            note, word = parent.checkpoint(at_), "TRUNCATED" if at_ > size else ""
        elif kind == "child":
            note, word = child.checkpoint(draw(st.integers(size + 1, len(child.leaves)))), ""
        elif kind == "beside":
            at_ = draw(st.integers(split + 1, len(beside.leaves)))
            note, word = beside.checkpoint(at_), "TRUNCATED" if at_ > size else "FORKED"
        elif kind == "longer":
            note, word = longer.checkpoint(draw(st.integers(len(child.leaves) + 1, len(longer.leaves)))), "TRUNCATED!"
        elif kind == "too early":
            note, word = child.checkpoint(draw(st.integers(1, size))), "FORKED"
        else:
            note, word = child.checkpoint(draw(st.integers(1, len(child.leaves))), STRANGER), "FORKED"
        kept.append(note)
        words.append(word)
    return child, kept, words


@given(mixtures())
def test_any_mix_of_kept_checkpoints_is_judged_one_by_one(mixture: tuple[History, list[str], list[str]]) -> None:
    history, kept, words = mixture
    undeclared = [it.rstrip("!") for it in words if it in {"FORKED", "TRUNCATED!"}]
    declared = [it for it in words if it == "TRUNCATED"]
    assert sorted(map(_word, judge(history, kept, accepted=[NEW]))) == sorted(undeclared)
    assert sorted(map(_word, judge(history, kept))) == sorted([*undeclared, *declared, "FORKED"])
