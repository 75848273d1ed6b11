"""Recipes: each predictor has its own, and it is what training takes by default."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import FitConfig, Predictor, fit
from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import get_predictor
from tnasp_jax.spaces import get_space

RESULTS = Path(__file__).resolve().parents[2] / "results"


def committed():
    """The recipe of each committed result: (space, predictor, fields)."""
    found = {}
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text())
        if "predictor" in result and "recipe" in result:
            key = (result["space"], result["predictor"])
            found.setdefault(key, []).append((path.name, result["recipe"]["fit"]))
    return found


@pytest.mark.parametrize(
    ("key", "rows"), committed().items(), ids=lambda part: "_".join(map(str, part))[:40]
)
def test_a_predictor_is_trained_as_its_rows_were(key, rows):
    space, name = key
    predictor = get_predictor(name, get_space(space))
    own = dataclasses.asdict(predictor.recipe) | {
        "loss": predictor.recipe.loss.__name__
    }
    for path, fields in rows if predictor.fit is None else ():
        assert fields == own, path


@pytest.mark.parametrize("bad", [{"epochs": 0}, {"batch_size": 0}, {"batch_size": -3}])
def test_a_recipe_has_epochs_and_batches(bad):
    with pytest.raises(ValueError, match="expected epochs >= 1 and batch_size >= 1"):
        FitConfig(**bad)


def test_fit_takes_the_predictors_recipe_unless_told_otherwise():
    def init(key, graphs):
        return {"w": jnp.zeros(())}

    def apply(params, graphs, *, dropout_key=None):
        return jnp.broadcast_to(params["w"], (len(graphs),))

    graphs = Graphs(
        np.zeros((6, 2), np.int32), np.zeros((6, 2, 2), bool), np.ones((6, 2), bool)
    )
    recipe = FitConfig(epochs=3, batch_size=2, learning_rate=0.5, cosine=False)
    labels = jnp.ones(6)
    for predictor, config, steps in (
        (Predictor(init, apply, recipe=recipe), None, 9),
        (Predictor(init, apply), recipe, 9),
        (Predictor(init, apply, recipe=recipe), FitConfig(epochs=1), 1),
        (Predictor(init, apply), None, 300),
    ):
        params, loss = fit(predictor, graphs, labels, jax.random.key(0), config)
        wanted = config or predictor.recipe
        assert len(loss) == wanted.epochs
        first = wanted.learning_rate  # Adam's first step, whatever the gradient.
        assert first <= params["w"] + 1e-6 <= steps * first + 1e-5
