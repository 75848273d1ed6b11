"""What the server's answers say of labels that nobody sees (TNASP, Eq. 9).

For a submitted prediction yhat^(t) of V validation cells the server tells its error alone,

    e^(t) = (1/V) sum_j (yhat_j^(t) - y_j)^2,

so each answer is one equation that the unknown labels y, and proxies ybar of them, must
satisfy: a sphere around the submission. Axis letters: V validation cells, T constraint
slots.
"""

import flax.struct
import jax
import jax.numpy as jnp


@flax.struct.dataclass
class Constraints:
    """The submissions so far; slots from `count` on are empty.

    Attributes:
      submissions: [T, V] yhat^(t), in training units.
      errors: [T] e^(t), in squared training units.
      count: [] int32, filled slots.
    """

    submissions: jax.Array
    errors: jax.Array
    count: jax.Array

    @property
    def active(self) -> jax.Array:
        """[T] bool, which slots are filled."""
        return jnp.arange(self.errors.shape[0]) < self.count

    @property
    def newest(self) -> jax.Array:
        """[V], the last submission."""
        return self.submissions[self.count - 1]

    def added(self, prediction: jax.Array, error: jax.Array) -> "Constraints":
        """With the next slot filled; no shape changes, so nothing recompiles.

        Args:
          prediction: [V] the submission yhat^(t).
          error: [] the server's answer e^(t).
        """
        return Constraints(
            submissions=self.submissions.at[self.count].set(prediction),
            errors=self.errors.at[self.count].set(error),
            count=self.count + 1,
        )


def none_yet(rounds: int, num_cells: int) -> Constraints:
    """T empty slots for submissions of V cells."""
    return Constraints(
        submissions=jnp.zeros((rounds, num_cells)),
        errors=jnp.zeros(rounds),
        count=jnp.int32(0),
    )


def violations(constraints: Constraints, ybar: jax.Array) -> jax.Array:
    """[T]: (1/V) sum_j (yhat_j^(t) - ybar_j)^2 - e^(t); 0 in empty slots."""
    distance = jnp.mean(jnp.square(constraints.submissions - ybar[None]), axis=1)
    return jnp.where(constraints.active, distance - constraints.errors, 0.0)


def project(constraints: Constraints, centre: jax.Array, ridge: float) -> jax.Array:
    """The proxies nearest to `centre` that satisfy the T - 1 linear equations.

    Subtracting two constraints leaves an equation that is linear in y: with
    u_t = yhat^(t) - centre and d_t = u_t - u_1,
    2 d_t . (y - centre) = |u_t|^2 - |u_1|^2 - V (e^(t) - e^(1)).
    Nearly equal submissions make the system nearly singular, hence the ridge.

    Args:
      constraints: the submissions so far; with fewer than two there is no equation.
      centre: [V] where to project from.
      ridge: relative to the mean square length of the d_t.

    Returns:
      [V] proxies.
    """
    offsets = constraints.submissions - centre[None]
    active = constraints.active.at[0].set(False)
    directions = jnp.where(active[:, None], offsets - offsets[:1], 0.0)
    lengths = jnp.sum(jnp.square(offsets), axis=1)
    size = centre.shape[0]
    right = lengths - lengths[0] - size * (constraints.errors - constraints.errors[0])
    right = jnp.where(active, right / 2, 0.0)
    gram = jnp.matmul(directions, directions.T, precision=jax.lax.Precision.HIGHEST)
    scale = jnp.trace(gram) / jnp.maximum(jnp.sum(active), 1)
    gram = gram + jnp.diag(jnp.where(active, ridge * scale + 1e-12, 1.0))
    weights = jnp.linalg.solve(gram, right)
    return centre + jnp.matmul(
        directions.T, weights, precision=jax.lax.Precision.HIGHEST
    )
