"""The tree is RFC 6962's."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_path,
    extends,
    includes,
    inclusion_path,
    leaf_hash,
    levels_of,
    node_hash,
    root_of,
    tree_of,
)

# Leaves and roots of the reference test tree that Certificate Transparency implementations share.
LEAVES = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    bytes(range(0x60, 0x70)),
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_published_roots_come_out(size: int) -> None:
    assert tree_of(LEAVES[:size]).root.hex() == ROOTS[size - 1]


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert Tree().root == hashlib.sha256(b"").digest()


def _by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(_by_definition(leaves[:half]), _by_definition(leaves[half:]))


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70))
def test_growing_leaf_by_leaf_gives_the_root_of_the_definition(leaves: list[bytes]) -> None:
    assert tree_of(leaves).root == _by_definition(leaves)


# Proofs over the same test tree that those implementations share: (index, size, path) and (old, size, path).
INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
MOST = 64
HASHES = [leaf_hash(bytes([number])) for number in range(MOST)]
ROOT = [root_of(HASHES[:size]) for size in range(MOST + 1)]


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_the_published_inclusion_proofs_come_out(index: int, size: int, path: list[str]) -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES[:size]]
    assert [node.hex() for node in inclusion_path(levels_of(hashes), index)] == path


@pytest.mark.parametrize(("old", "size", "path"), CONSISTENCY)
def test_the_published_consistency_proofs_come_out(old: int, size: int, path: list[str]) -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES[:size]]
    assert [node.hex() for node in consistency_path(hashes, old)] == path


def _path_by_definition(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if index < half:
        return [*_path_by_definition(index, leaves[:half]), _by_definition(leaves[half:])]
    return [*_path_by_definition(index - half, leaves[half:]), _by_definition(leaves[:half])]


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_a_proof_is_the_path_of_the_definition(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = inclusion_path(levels_of([leaf_hash(leaf) for leaf in leaves]), index)
    assert list(path) == _path_by_definition(index, leaves)


def test_every_leaf_of_every_small_tree_can_be_proved_to_be_in_it() -> None:
    for size in range(1, MOST + 1):
        levels = levels_of(HASHES[:size])
        for index in range(size):
            path = inclusion_path(levels, index)
            assert includes(HASHES[index], index=index, size=size, path=path, root=ROOT[size])


def test_every_small_tree_can_be_proved_to_begin_with_every_smaller_one() -> None:
    for size in range(MOST + 1):
        for old in range(size + 1):
            path = consistency_path(HASHES[:size], old)
            assert extends(ROOT[old], ROOT[size], old=old, size=size, path=path)


def _flip(raw: bytes, bit: int) -> bytes:
    return (int.from_bytes(raw, "big") ^ 1 << bit).to_bytes(len(raw), "big")


@given(st.integers(1, MOST), st.data())
def test_an_inclusion_proof_with_any_bit_flipped_fails(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    parts = [HASHES[index], ROOT[size], *inclusion_path(levels_of(HASHES[:size]), index)]
    which, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    parts[which] = _flip(parts[which], bit)
    assert not includes(parts[0], index=index, size=size, path=parts[2:], root=parts[1])


@given(st.integers(2, MOST), st.data())
def test_a_consistency_proof_with_any_bit_flipped_fails(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    parts = [ROOT[old], ROOT[size], *consistency_path(HASHES[:size], old)]
    which, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    parts[which] = _flip(parts[which], bit)
    assert not extends(parts[0], parts[1], old=old, size=size, path=parts[2:])


@given(st.integers(2, MOST), st.data())
def test_a_proof_is_for_its_own_index_and_has_its_own_length(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda it: it != index))
    path = inclusion_path(levels_of(HASHES[:size]), index)
    assert not includes(HASHES[index], index=other, size=size, path=path, root=ROOT[size])
    assert not includes(HASHES[index], index=index, size=size, path=path[:-1], root=ROOT[size])
    assert not includes(HASHES[index], index=index, size=size, path=(*path, HASHES[0]), root=ROOT[size])


def test_what_lies_outside_the_tree_is_refused() -> None:
    with pytest.raises(IndexError, match="no leaf 3"):
        inclusion_path(levels_of(HASHES[:3]), 3)
    with pytest.raises(IndexError, match="none of 4"):
        consistency_path(HASHES[:3], 4)
    assert not includes(HASHES[0], index=-1, size=1, path=(), root=HASHES[0])
    assert not extends(ROOT[5], ROOT[4], old=5, size=4, path=())
    assert not extends(ROOT[3], ROOT[4], old=3, size=4, path=())
    assert not extends(ROOT[3], ROOT[4], old=0, size=4, path=())
    assert extends(EMPTY_ROOT, ROOT[4], old=0, size=4, path=())
    assert not extends(ROOT[3], ROOT[4], old=4, size=4, path=())
