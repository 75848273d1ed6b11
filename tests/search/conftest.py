"""A small made space, a predictor that compiles in no time, and every method on them."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import search
from tnasp_jax.graphs import Graphs, is_valid
from tnasp_jax.predictors import Predictor
from tnasp_jax.spaces.base import host_rng

PLACES, CHOICES, NOISE = 6, 4, 0.05


@dataclasses.dataclass(frozen=True)
class Digits:
    """Chains of six digits 0 .. 3; the first two may change places."""

    name: str = "digits"
    ops: tuple[str, ...] = ("input", "0", "1", "2", "3", "output")
    num_nodes: int = PLACES + 2

    def parse(self, text):
        return tuple(int(digit) for digit in text)

    def format(self, architecture):
        return "".join(map(str, architecture))

    def to_graphs(self, architectures):
        inner = np.array(architectures, np.int32).reshape(-1, PLACES) + 1
        ops = np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 5)))
        chain = np.eye(self.num_nodes, k=1, dtype=bool)
        adjacency = np.repeat(chain[None], len(ops), axis=0)
        return Graphs(ops=ops, adjacency=adjacency, mask=np.ones(ops.shape, bool))

    def sample(self, key, count):
        drawn = host_rng(key).integers(0, CHOICES, (count, PLACES))
        return [tuple(row) for row in drawn.tolist()]

    def mutate(self, key, architecture):
        rng = host_rng(key)
        place, step = int(rng.integers(PLACES)), int(rng.integers(1, CHOICES))
        child = list(architecture)
        child[place] = (child[place] + step) % CHOICES
        return tuple(child)

    def cross(self, key, first, second):
        chosen = host_rng(key).integers(0, 2, PLACES).tolist()
        return tuple((first, second)[c][at] for at, c in enumerate(chosen))

    def parameters(self, architecture):
        return sum(architecture)

    def canonical_hash(self, architecture):
        return self.format((*sorted(architecture[:2]), *architecture[2:]))


class Small(Digits):
    """The same, but for four architectures in all."""

    def sample(self, key, count):
        return [(0, 0, 0, 0, 0, a[0]) for a in super().sample(key, count)]

    def mutate(self, key, architecture):
        return (0, 0, 0, 0, 0, super().mutate(key, architecture)[0])


SPACE = Digits()


def value(architecture) -> float:
    """Additive, with one pair that matters; highest for 333333."""
    return sum(architecture) / 18 + (architecture[2] * architecture[3] == 9) / 5


def linear(space) -> Predictor:
    """Bayesian linear regression on the digits; rows that are no graphs are left out."""

    def features(graphs):
        ones = jnp.ones((len(graphs), 1))
        digits = jax.nn.one_hot(graphs.ops, len(space.ops)).reshape(len(graphs), -1)
        return jnp.concatenate([ones, digits], axis=1)

    def init(key, graphs):
        size = 1 + space.num_nodes * len(space.ops)
        return {"weights": jax.random.normal(key, (size,)), "inverse": jnp.eye(size)}

    def fit(key, graphs, labels):
        live = is_valid(graphs, len(space.ops))[:, None]
        x = jnp.where(live, features(graphs), 0.0)
        y = jnp.where(live[:, 0], labels, 0.0)
        inverse = jnp.linalg.inv(jnp.eye(x.shape[1]) + x.T @ x / NOISE)
        return {"weights": inverse @ x.T @ y / NOISE, "inverse": inverse}

    def apply(params, graphs, *, dropout_key=None):
        scores = features(graphs) @ params["weights"]
        return jnp.where(is_valid(graphs, len(space.ops)), scores, jnp.nan)

    def deviation(params, graphs):
        x = features(graphs)
        return jnp.sqrt(jnp.einsum("bi,ij,bj->b", x, params["inverse"], x) + NOISE)

    return Predictor(init, apply, fit=fit, deviation=deviation)


PREDICTOR = linear(SPACE)


def bayes(acquisition: str, **more):
    config = search.BayesConfig(
        acquisition=acquisition, **{"candidates": 60, "padded": True, **more}
    )

    def make(space, allowed=()):
        return search.bayesian_optimization(
            space, predictor=PREDICTOR, config=config, allowed=allowed
        )

    return make


METHODS = search.METHODS | {
    "bayes": bayes("improvement"),
    "bayes_thompson": bayes("thompson"),
    "bayes_ucb": bayes("ucb"),
    "npenas_np": bayes("mean", mutants_only=True),
    "npenas_bo": bayes("thompson", mutants_only=True),
}


def run(method, steps, *, seed=0, batch=1, measure=value, state=None):
    """A loop; the state, and all that was asked."""
    state, everything = method.init() if state is None else state, []
    for _ in range(steps):
        key = jax.random.fold_in(jax.random.key(seed), len(state))
        asked, state = method.ask(key, state, batch)
        everything += asked
        state = method.tell(state, asked, [measure(one) for one in asked])
    return state, everything


@pytest.fixture(params=METHODS)
def make(request):
    """`make(space, allowed=())`, of each method in turn."""
    return METHODS[request.param]


@pytest.fixture(scope="session")
def made():
    """The made space and what works on it."""
    return SimpleNamespace(
        space=SPACE,
        small=Small(),
        value=value,
        run=run,
        bayes=bayes,
        methods=METHODS,
        predictor=PREDICTOR,
    )
