"""How much of each model a mean holds, from what the models say of cells left out.

Wolpert, "Stacked Generalization" (1992), with shares that are positive and add up to
one (Breiman, "Stacked Regressions", 1996). Axis letters: P models, n training cells, K
folds, m = n - ceil(n / K) cells that the model of a fold sees.
"""

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.predictors.layers import FLOAT32


def fold_rows(num_cells: int, folds: int) -> np.ndarray:
    """The training cells that the model of each fold sees: all but every K-th.

    Fold k leaves out the cells i with i mod K = k. All folds see equally many, so that
    one program fits them all; where there is nothing to leave out, all see all.

    Returns:
      [K, m] int.
    """
    cells = np.arange(num_cells)
    size = num_cells - -(-num_cells // folds)
    if not size:
        return np.broadcast_to(cells, (folds, num_cells))
    return np.stack([cells[cells % folds != fold][:size] for fold in range(folds)])


def left_out(scores: jax.Array) -> jax.Array:
    """What the fold that did not see a cell says of it.

    Args:
      scores: [K, n] of the model of every fold for all training cells.

    Returns:
      [n].
    """
    folds, num_cells = scores.shape
    cells = jnp.arange(num_cells)
    return scores[cells % folds, cells]


def shares(
    said: jax.Array, labels: jax.Array, live: jax.Array, prior: jax.Array
) -> jax.Array:
    """Shares of models in their mean, by their squared errors on cells left out.

    Mirror descent from the prior, a step of size one for each cell: a model that is
    worse by d a cell loses a factor of exp(n d), so few cells move little.

    Args:
      said: [P, n] what each model says of cells that it did not see.
      labels: [n] in training units, of about unit variance.
      live: [n] bool, cells that count.
      prior: [P] positive shares.

    Returns:
      [P] positive, adding up to one.
    """
    said, labels = jnp.where(live[None], said, 0.0), jnp.where(live, labels, 0.0)
    count = jnp.maximum(jnp.sum(live), 1)
    products = jnp.matmul(said, said.T, precision=FLOAT32) / count
    toward = jnp.matmul(said, labels, precision=FLOAT32) / count

    def step(logs, _):
        mean = jnp.matmul(products, jax.nn.softmax(logs), precision=FLOAT32)
        return logs + toward - mean, None

    logs, _ = jax.lax.scan(step, jnp.log(prior), length=len(labels))
    return jax.nn.softmax(logs)
