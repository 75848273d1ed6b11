"""Elites by a model: what is asked are children that a regression expects to be elites.

Gaier, Asteroth and Mouret, "Data-Efficient Exploration, Optimization, and Modeling of
Diverse Designs through Surrogate-Assisted Illumination" (SAIL), GECCO 2017: what is
measured next are elites (`search.niches`) of what a model expects. There the model is a
Gaussian process and what is illuminated its upper bound; here a ridge regression
(`search.pairwise`) and its mean. Who would better an elite most comes first, as in the
improvement emitters of Fontaine et al. (CMA-ME), GECCO 2020: so a region of the space in
which nothing is left to gain gets no more questions, however good it is.
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
    Method,
    Proposal,
    State,
    architecture_of,
    fresh,
    method_of,
    ranking,
)
from tnasp_jax.spaces.base import Space

TRIES_A_CHILD = 10
"""Children that are bred for each that is wanted: many are not new, or not allowed."""


def sail(
    space: Space,
    *,
    population: int = 100,
    born: int = 1000,
    crossover: float = 0.9,
    allowed: Sequence[Allowed] = (),
) -> Method:
    """Asks the children that are expected to better the elites most.

    Until `population` values are known, architectures are random. Afterwards a regression
    on all that is known says which slot matters most, such as that of the image size. An
    elite is the best known of a choice in any slot together with a choice in this one.
    Children are bred from the elites; how much the regression expects of one, less the
    value of the least of the elites whose choices it shares, decides.

    Args:
      space: where to search; without a `cross`, children have one parent.
      population: random architectures in the beginning.
      born: children, new and allowed, that are bred for a question.
      crossover: how likely a child has two parents.
      allowed: what an architecture must pass to be asked.

    Raises:
      ValueError: if a size is less than 1 or `crossover` no probability.
    """
    if min(population, born) < 1 or not 0 <= crossover <= 1:
        raise ValueError(
            "sail: expected population and born >= 1 and crossover in 0 .. 1, got "
            f"{population}, {born} and {crossover}"
        )

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        breed_key, random_key = jax.random.split(key)
        rows = ranking(state)
        if len(rows) < population:
            return randoms(random_key, space)
        known, values = recorded_choices(space, state, rows), state.values[rows, 0]
        regression = pairwise.fit(known, values)
        niche = functools.partial(
            beside, slot=int(np.argmax(regression.slots)), size=len(space.ops) + 1
        )
        new = bred(breed_key, state, rows[best_of_choices(niche(known), values)])
        if not new:
            return randoms(random_key, space)
        chosen = choices(space, [architecture for architecture, _ in new])
        gain = gains(niche(known), values, niche(chosen), regression(chosen))
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
