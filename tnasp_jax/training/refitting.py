"""Self-evolution in closed form, for a predictor that is fitted at once.

Such a predictor has no gradient steps between its submissions, and successive ones would
be equal. It submits its prediction for the validation cells and, in every further round,
that prediction moved along one of the directions in which it knows least: the leading
eigenvectors of `Predictor.covariance`. As in `self_evolution`, the server tells each
submission's error e^(t) and nothing else; two of them give a linear equation in the
unknown labels, here their component along one direction. `constraints.project` moves
the prediction there, and the predictor is fitted again to training and validation cells.
Axis letters: n training cells, V validation cells, T submissions.
"""

import jax
import jax.numpy as jnp

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.training.constraints import Constraints, project

ROUNDS = 20
"""T that suits a predictor fitted at once; a round costs it no training."""


def submissions(
    predictor: Predictor, params: Params, validation: Graphs, rounds: int
) -> jax.Array:
    """What the predictor asks the server.

    Args:
      predictor: with `covariance`.
      params: fitted.
      validation: [V] cells with unknown labels.
      rounds: T, from 1 to V + 1.

    Returns:
      [T, V] in training units: the prediction, then one a unit of length from it along
      each of the T - 1 leading eigenvectors.

    Raises:
      ValueError: for a predictor without `covariance`, and for more rounds than V + 1.
    """
    if predictor.covariance is None:
        raise ValueError("the predictor has no covariance to ask along")
    size = len(validation)
    if not 1 <= rounds <= size + 1:
        raise ValueError(
            f"expected 1 .. {size + 1} rounds for {size} validation cells, got {rounds}"
        )
    prediction = predictor.apply(params, validation)
    _, vectors = jnp.linalg.eigh(predictor.covariance(params, validation))
    leading = vectors[:, ::-1][:, : rounds - 1].T  # eigh sorts upwards.
    return prediction[None] + jnp.concatenate([jnp.zeros((1, size)), leading])


def proxies(asked: jax.Array, errors: jax.Array, ridge: float) -> jax.Array:
    """ybar, [V]: the prediction, its components along the directions corrected.

    Args:
      asked: [T, V] of `submissions`.
      errors: [T] the server's answers.
      ridge: as in `constraints.project`.
    """
    known = Constraints(asked, errors, jnp.int32(len(asked)))
    return project(known, asked[0], ridge)


def refit(
    predictor: Predictor,
    key: jax.Array,
    train: Graphs,
    labels: jax.Array,
    validation: Graphs,
    ybar: jax.Array,
) -> Params:
    """Fits to training cells [n] with labels and validation cells [V] with proxies."""
    assert predictor.fit is not None
    both = jax.tree.map(
        lambda left, right: jnp.concatenate([jnp.asarray(left), jnp.asarray(right)]),
        train,
        validation,
    )
    return predictor.fit(key, both, jnp.concatenate([labels, ybar]))
