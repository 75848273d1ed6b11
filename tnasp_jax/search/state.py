"""The state of a search, and what a method is.

Every method has one kind of state, the record of what was asked and told. So a method is
a pure function of the record and a key: it can be stopped, saved, exchanged for another
one, and started from labels that are there already. Axis letters: n architectures of the
record, B asked or told at once, K objectives.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import flax.struct
import jax
import numpy as np
from numpy.typing import ArrayLike

from tnasp_jax.search.constraints import Allowed
from tnasp_jax.spaces.base import Architecture, Space

NO_PARENT = -1  # In `State.parents`.
TRIES = 10_000
"""Proposals in a row that may be refused before a search gives up."""


@flax.struct.dataclass
class State:
    """What was asked and told, in the order of asking; a pytree of numpy arrays.

    `np.savez(file, **vars(state))` saves it and `State(**np.load(file))` restores it.

    Attributes:
      texts: [n] str, architectures as `space.format` writes them.
      hashes: [n] str, their canonical hashes, all different.
      values: [n, K] float64, higher is better; NaN where nothing is known.
      told: [n] bool, False while a value is waited for.
      parents: [n] int32, the row that an architecture was made from; -1 if from none.
    """

    texts: np.ndarray
    hashes: np.ndarray
    values: np.ndarray
    told: np.ndarray
    parents: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


Proposal = tuple[Architecture, int]
"""An architecture and the row of its parent."""

Propose = Callable[[jax.Array, State, int], Iterator[Proposal]]
"""`propose(key, state, B)`: proposals, best first, more than B where some may be old."""


class Method(NamedTuple):
    """A search method: three functions without a state of their own.

    Attributes:
      init: `init(objectives=1) -> State`, an empty record.
      ask: `ask(key, state, count=1) -> (architectures, state)`: the next ones, that are
        allowed and no isomorphic copy of any in the record, and the record with them.
        Fewer than `count` where no more are found, ValueError where none is. A function
        of key and state; take a new key for each call. Ask again before telling, and
        others come.
      tell: `tell(state, architectures, values) -> State`: values [B], or [B, K] with
        several objectives, all to be maximised; methods of one objective maximise the
        first. NaN says that an architecture failed: it is never asked again and is
        nobody's parent, no training example, and on no front. An architecture that was
        never asked joins the record, as do labels from elsewhere; told again, it takes
        the newer value. ValueError for infinite values and other shapes.
    """

    init: Callable[..., State]
    ask: Callable[..., tuple[list[Architecture], State]]
    tell: Callable[[State, Sequence[Architecture], ArrayLike], State]


def method_of(space: Space, propose: Propose, allowed: Sequence[Allowed]) -> Method:
    """A method from its proposals; asks none that is old or not allowed.

    Raises:
      ValueError: for one test in place of several.
    """
    if callable(allowed):
        raise ValueError("allowed: expected a list of tests, got one; write [test]")

    def ask(key: jax.Array, state: State, count: int = 1):
        if count < 1:
            raise ValueError(f"ask: expected count >= 1, got {count}")
        seen = set(state.hashes.tolist())
        found = fresh(space, seen, propose(key, state, count), count, allowed)
        if not found:
            raise ValueError(
                f"ask: {TRIES:,} proposals in a row were not allowed or copies of one "
                f"of the {len(state):,} asked before; the space may be searched, or a "
                "limit too tight"
            )
        asked = [architecture for architecture, _ in found]
        parents = [parent for _, parent in found]
        return asked, _joined(space, state, asked, parents)

    def tell(state: State, architectures: Sequence[Architecture], values: ArrayLike):
        return _told(space, state, list(architectures), values)

    return Method(init, ask, tell)


def init(objectives: int = 1) -> State:
    """An empty record for K objectives; ValueError if there is none."""
    if objectives < 1:
        raise ValueError(f"init: expected objectives >= 1, got {objectives}")
    return State(
        texts=np.zeros(0, "<U1"),
        hashes=np.zeros(0, "<U1"),
        values=np.zeros((0, objectives)),
        told=np.zeros(0, bool),
        parents=np.zeros(0, np.int32),
    )


def fresh(
    space: Space,
    seen: set[str],
    proposals: Iterator[Proposal],
    count: int,
    allowed: Sequence[Allowed],
) -> list[Proposal]:
    """The first `count` proposals that are allowed and whose hashes are not in `seen`,
    which gets them; fewer where proposals end or `TRIES` in a row are refused."""
    found, refused = [], 0
    for architecture, parent in proposals:
        new = all(test(architecture) for test in allowed)
        if new:  # Hashing takes longer than most tests.
            digest = digest_of(space, architecture)
            new = digest not in seen
            seen.add(digest)
        if new:
            found.append((architecture, parent))
        refused = 0 if new else refused + 1
        if len(found) == count or refused == TRIES:
            break
    return found


def architecture_of(space: Space, state: State, row: int) -> Architecture:
    """The architecture of a row of the record."""
    return parsed(space, str(state.texts[row]))


@functools.lru_cache(maxsize=1 << 14)
def parsed(space: Space, text: str) -> Architecture:
    """`space.parse`, kept: parents are few, and read again and again."""
    return space.parse(text)


@functools.lru_cache(maxsize=1 << 14)
def digest_of(space: Space, architecture: Architecture) -> str:
    """`space.canonical_hash`, kept: one is proposed, asked and told, and where few are
    left to find, the same are proposed again and again."""
    return space.canonical_hash(architecture)


def known(state: State) -> np.ndarray:
    """[n] bool: rows that were told and did not fail."""
    return state.told & ~np.isnan(state.values).any(axis=1)


def last_start(state: State) -> int:
    """The row at which those begin that were last made from none, side by side; the
    first of all in an empty record."""
    from_none = np.flatnonzero(state.parents == NO_PARENT)
    if not len(from_none):
        return 0
    bred = np.flatnonzero(state.parents[: from_none[-1]] != NO_PARENT)
    return int(bred[-1]) + 1 if len(bred) else 0


def ranking(state: State) -> np.ndarray:
    """Rows that are known, the highest first objective first; among equals the older."""
    rows = np.flatnonzero(known(state))
    return rows[np.argsort(-state.values[rows, 0], kind="stable")]


def best(state: State) -> tuple[str, float]:
    """Text and value of the architecture that is best in the first objective.

    Raises:
      ValueError: if no value is known.
    """
    rows = ranking(state)
    if not len(rows):
        raise ValueError("best: no architecture of this search has a value yet")
    return str(state.texts[rows[0]]), float(state.values[rows[0], 0])


def _joined(
    space: Space,
    state: State,
    architectures: Sequence[Architecture],
    parents: Sequence[int],
) -> State:
    """The record with architectures that are new to it, not told yet."""
    count = len(architectures)
    texts = [space.format(architecture) for architecture in architectures]
    hashes = [digest_of(space, architecture) for architecture in architectures]
    unknown = np.full((count, state.values.shape[1]), np.nan)
    return State(
        texts=np.concatenate([state.texts, np.array(texts, np.str_)]),
        hashes=np.concatenate([state.hashes, np.array(hashes, np.str_)]),
        values=np.concatenate([state.values, unknown]),
        told=np.concatenate([state.told, np.zeros(count, bool)]),
        parents=np.concatenate([state.parents, np.array(parents, np.int32)]),
    )


def _told(
    space: Space, state: State, architectures: list[Architecture], values: ArrayLike
) -> State:
    given, shape = np.asarray(values, np.float64), (len(architectures),)
    if state.values.shape[1] > 1:
        shape += (state.values.shape[1],)
    if given.shape != shape:
        raise ValueError(f"tell: expected values of shape {shape}, got {given.shape}")
    if np.isinf(given).any():
        raise ValueError("tell: expected finite values, or NaN for a failure; got inf")
    digests = [digest_of(space, architecture) for architecture in architectures]
    rows = {digest: row for row, digest in enumerate(state.hashes.tolist())}
    strangers = {
        digest: architecture
        for digest, architecture in zip(digests, architectures, strict=True)
        if digest not in rows
    }
    if strangers:
        rows |= {digest: len(state) + at for at, digest in enumerate(strangers)}
        parents = [NO_PARENT] * len(strangers)
        state = _joined(space, state, list(strangers.values()), parents)
    values, told = state.values.copy(), state.told.copy()
    for digest, value in zip(digests, given, strict=True):
        values[rows[digest]], told[rows[digest]] = value, True
    return dataclasses.replace(state, values=values, told=told)
