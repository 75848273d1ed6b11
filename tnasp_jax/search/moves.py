"""Endless streams of proposals that the methods share."""

import itertools
from collections.abc import Iterable, Iterator

import jax

from tnasp_jax.search.state import NO_PARENT, Proposal, State, architecture_of
from tnasp_jax.spaces.base import Space

KEYS_AT_ONCE, SAMPLES_AT_ONCE = 64, 8
MUTATIONS = 200
"""Mutations that a method proposes before it turns to random architectures, since
nothing new may be left around its parents."""


def keys(key: jax.Array) -> Iterator[jax.Array]:
    """Endless keys that are functions of one."""
    for block in itertools.count():
        yield from jax.random.split(jax.random.fold_in(key, block), KEYS_AT_ONCE)


def randoms(key: jax.Array, space: Space) -> Iterator[Proposal]:
    """What `space.sample` draws, endlessly."""
    for each in keys(key):
        for architecture in space.sample(each, SAMPLES_AT_ONCE):
            yield architecture, NO_PARENT


def mutants(
    key: jax.Array, space: Space, state: State, parents: Iterable[int]
) -> Iterator[Proposal]:
    """A mutation of each of the rows `parents`."""
    for each, row in zip(keys(key), parents, strict=False):
        yield space.mutate(each, architecture_of(space, state, row)), row


def then_randoms(
    key: jax.Array, space: Space, proposals: Iterator[Proposal], count: int
) -> Iterator[Proposal]:
    """`MUTATIONS` proposals more than the `count` asked for, then random ones."""
    yield from itertools.islice(proposals, count + MUTATIONS)
    yield from randoms(key, space)
