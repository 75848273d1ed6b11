"""Elites by a model: what is asked are children that a regression expects to be elites.

Gaier, Asteroth and Mouret, "Data-Efficient Exploration, Optimization, and Modeling of
Diverse Designs through Surrogate-Assisted Illumination" (SAIL), GECCO 2017: what is
measured next are elites (`search.niches`) of what a model expects. There the model is a
Gaussian process and what is illuminated its upper bound; here a ridge regression
(`search.pairwise`) and its mean. Who would better an elite most comes first, as in the
improvement emitters of Fontaine et al. (CMA-ME), GECCO 2020: so a region of the space in
which nothing is left to gain gets no more questions, however good it is. There are new
starts where nothing better comes, since good regions are many and far apart.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from tnasp_jax.search import pairwise
from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import children, randoms, then_randoms
from tnasp_jax.search.niches import (
    beside,
    best_of_choices,
    choices,
    gains,
    recorded_choices,
)
from tnasp_jax.search.state import (
    NO_PARENT,
    Method,
    Proposal,
    State,
    architecture_of,
    fresh,
    known,
    last_start,
    method_of,
    ranking,
)
from tnasp_jax.spaces.base import Space

NEARLY = 0.02
"""A gain of fewer standard deviations of a random start is none."""
TRIES_A_CHILD = 10
"""Children that are bred for each that is wanted: many are not new, or not allowed."""


def sail(
    space: Space,
    *,
    population: int = 100,
    patience: int | None = None,
    born: int = 1000,
    crossover: float = 0.9,
    allowed: Sequence[Allowed] = (),
) -> Method:
    """Asks the children that are expected to better the elites most.

    A start is `population` random architectures. A regression on all that is known says
    which slot matters most, such as that of the image size. An elite is the best of a
    choice in any slot together with a choice in this one, among what was asked since the
    start. Children are bred from the `population` best elites; how much the regression
    expects of one, less the value of the least of the elites whose choices it shares,
    decides. Where nothing is gained any more, elites are taken from all that was ever
    asked; where that gains nothing either, there is a new start.

    Args:
      space: where to search; without a `cross`, children have one parent.
      population: random architectures of a start, and parents.
      patience: architectures that are asked without gain before a change; default:
        three populations.
      born: children, new and allowed, that are bred for a question.
      crossover: how likely a child has two parents.
      allowed: what an architecture must pass to be asked.

    Raises:
      ValueError: if a size is less than 1 or `crossover` no probability.
    """
    if patience is None:
        patience = 3 * population
    if min(population, patience, born) < 1 or not 0 <= crossover <= 1:
        raise ValueError(
            "sail: expected population, patience and born >= 1 and crossover in 0 .. 1, "
            f"got {population}, {patience}, {born} and {crossover}"
        )

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        breed_key, random_key = jax.random.split(key)
        rows = bred_from(state, population, patience)
        if not len(rows):
            return randoms(random_key, space)
        everyone = ranking(state)
        regression = pairwise.fit(
            recorded_choices(space, state, everyone), state.values[everyone, 0]
        )
        niche = functools.partial(
            beside, slot=int(np.argmax(regression.slots)), size=len(space.ops) + 1
        )
        chosen, values = recorded_choices(space, state, rows), state.values[rows, 0]
        elites = best_of_choices(niche(chosen), values)
        elites = elites[np.argsort(-values[elites], kind="stable")][:population]
        new = bred(breed_key, state, rows[elites])
        if not new:
            return randoms(random_key, space)
        candidates = choices(space, [architecture for architecture, _ in new])
        gain = gains(niche(chosen), values, niche(candidates), regression(candidates))
        most = np.argsort(-gain, kind="stable")
        return then_randoms(random_key, space, (new[at] for at in most), count)

    def bred(key: jax.Array, state: State, elites: np.ndarray) -> list[Proposal]:
        parents = [(architecture_of(space, state, row), int(row)) for row in elites]

        def parent(rng: np.random.Generator) -> Proposal:
            return parents[rng.integers(len(parents))]

        some = children(key, space, parent, crossover)
        some = itertools.islice(some, TRIES_A_CHILD * born)
        return fresh(space, set(state.hashes.tolist()), some, born, allowed)

    return method_of(space, propose, allowed)


def bred_from(state: State, population: int, patience: int) -> np.ndarray:
    """The rows to breed from; none where it is time for a new start."""
    rows = np.flatnonzero(known(state))
    start = last_start(state)
    own = rows[rows >= start]
    if len(own) < population:
        return rows[:0]
    values = np.where(known(state), state.values[:, 0], -np.inf)
    random = own[state.parents[own] == NO_PARENT]
    least = NEARLY * float(np.std(values[random]))
    alone = end_of_gains(values[start:], -np.inf, least, patience)
    if alone is None:
        return own
    if start == 0:
        return rows[:0]
    since, best = start + alone, values[: start + alone].max()
    together = end_of_gains(values[since:], best, least, patience)
    return rows if together is None else rows[:0]


def end_of_gains(
    values: np.ndarray, best: float, least: float, patience: int
) -> int | None:
    """How many came until `patience` of them in a row had brought no gain; None where
    that did not happen yet.

    Args:
      values: [n] in the order of asking.
      best: what came before.
      least: a gain is more than that.
      patience: how many without a gain are enough.

    Returns:
      The number, `patience` or more.
    """
    without = 0
    for number, value in enumerate(values.tolist(), start=1):
        gain = value > best + least
        best, without = (value, 0) if gain else (best, without + 1)
        if without == patience:
            return number
    return None
