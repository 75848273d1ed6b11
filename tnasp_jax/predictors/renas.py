"""ReNAS: a small convolutional network over planes of operations and costs.

"ReNAS: Relativistic Evaluation of Neural Architecture Search" (Xu et al., CVPR 2021),
section 3. A cell becomes an image of N x N points, one for each possible edge. Axis
letters: B architectures, N node slots, M cells of the stacked network that differ, P = 1
+ 2 M planes, C channels.
"""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from tnasp_jax import losses
from tnasp_jax.graphs import Graphs, check_shapes, is_valid, live_adjacency
from tnasp_jax.predictors.base import Predictor
from tnasp_jax.predictors.layers import Dropout, dense, mode
from tnasp_jax.spaces.base import CostedSpace

LARGEST_LOG_COST = 20.0  # About log of the largest cost of a node in these spaces.


@dataclasses.dataclass(frozen=True, kw_only=True)
class RenasConfig:
    """Sizes of ReNAS; the defaults are the published network.

    Attributes:
      channels: of the two convolutions.
      hidden: widths of the dense layers before the score.
      kernel: side of a convolution's window, odd. Ours, as is the pooling: after each
        convolution, as in LeNet, the largest of every 2 x 2 points.
      dropout: rate between the dense layers. Ours: the paper names none.
      epsilon: added to the variance in batch norms.
    """

    channels: tuple[int, int] = (38, 128)
    hidden: tuple[int, ...] = (120, 84)
    kernel: int = 3
    dropout: float = 0.1
    epsilon: float = 1e-5


def renas(space: CostedSpace, config: RenasConfig = RenasConfig()) -> Predictor:
    """The ReNAS predictor of a space that knows what its nodes cost.

    It is trained by log(1 + exp(-(o_i - o_j) sign(y_i - y_j))) over the pairs of a batch
    (`losses.pairwise_logistic`), so only the order of its scores means something.

    Batch norms take the statistics of the batch inside the objective. `finish` stores
    those of the training cells, by which `apply` scores, with a dropout key too. Until
    then they are those of a standard normal. A variance is kept as its logarithm, so that
    the L2 of training does not move it from its start.

    Args:
      space: the search space; a slot is a row and a column of the image.
      config: sizes.

    Returns:
      A `Predictor` with an objective and a finish; `apply` raises ValueError at trace
      time for wrong shapes.
    """
    network = _Renas(config)
    num_ops, slots = len(space.ops), space.num_nodes

    def init(key: jax.Array, graphs: Graphs):
        check_shapes(graphs, slots)
        return network.init(key, planes(space, graphs))["params"]

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        check_shapes(graphs, slots)
        scores = network.apply(
            {"params": params}, planes(space, graphs), **mode(dropout_key)
        )
        return jnp.where(is_valid(graphs, num_ops), jnp.asarray(scores), jnp.nan)

    def objective(params, graphs: Graphs, labels, weights, *, dropout_key):
        check_shapes(graphs, slots)
        scores = network.apply(
            {"params": params},
            planes(space, graphs),
            weights,
            train=True,
            rngs={"dropout": dropout_key},
            mutable=["batch"],
        )[0]
        return losses.pairwise_logistic(jnp.asarray(scores), labels, weights)

    def finish(params, graphs: Graphs, labels: jax.Array):
        everyone = jnp.ones_like(labels, jnp.float32)
        _, found = network.apply(
            {"params": params}, planes(space, graphs), everyone, mutable=["batch"]
        )
        statistics: dict[str, Any] = dict(found["batch"])
        return {
            name: leaves | statistics.get(name, {}) for name, leaves in params.items()
        }

    return Predictor(init, apply, objective, finish)


def planes(space: CostedSpace, graphs: Graphs) -> jax.Array:
    """The image of each graph, [B, N, N, P] float32.

    Point (i, j) is zero without a live edge i -> j. With one it tells of node j: its
    operation in the first plane, (index + 1) / number of operations, then its FLOPs in
    each of M cells, then its parameters. Costs are log(1 + cost) / 20, which is ours:
    they span seven orders of magnitude.
    """
    live_BNN = live_adjacency(graphs)
    num_ops = len(space.ops)
    known_BN = jnp.clip(jnp.asarray(graphs.ops), 0, num_ops - 1) + 1
    costs_BMN = jnp.concatenate(space.node_costs(graphs), axis=1)
    nodes_BPN = jnp.concatenate(
        [known_BN[:, None] / num_ops, jnp.log1p(costs_BMN) / LARGEST_LOG_COST], axis=1
    )
    nodes_BNP = jnp.swapaxes(nodes_BPN, 1, 2)
    return jnp.where(live_BNN[..., None], nodes_BNP[:, None], 0.0)


class _Renas(nn.Module):
    config: RenasConfig

    @nn.compact
    def __call__(
        self,
        image_BNNP: jax.Array,
        weights: jax.Array | None = None,
        train: bool = False,
    ) -> jax.Array:
        cfg = self.config
        x_BNNC = image_BNNP
        for layer, channels in enumerate(cfg.channels):
            x_BNNC = convolution(x_BNNC, cfg.kernel, channels, f"convolution_{layer}")
            norm = _BatchNorm(cfg.epsilon, name=f"norm_{layer}")
            x_BNNC = largest_of_squares(nn.relu(norm(x_BNNC, weights)))
        x_BF = x_BNNC.reshape(x_BNNC.shape[0], -1)
        for layer, width in enumerate(cfg.hidden):
            x_BF = nn.relu(dense(width, f"dense_{layer}")(x_BF))
            x_BF = Dropout(cfg.dropout)(x_BF, train)
        return dense(1, "score")(x_BF)[:, 0]


def convolution(x_BNNC: jax.Array, kernel: int, channels: int, name: str) -> jax.Array:
    """A convolution with zeros around the image, as one product over its shifts.

    On images this small a CPU runs the product faster than a convolution. Rows of the
    matrix are ordered by shift down, shift right, channel in.
    """
    batch, slots, _, inner = x_BNNC.shape
    edge = kernel // 2
    padded = jnp.pad(x_BNNC, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    shifts = [
        padded[:, down : down + slots, right : right + slots]
        for down in range(kernel)
        for right in range(kernel)
    ]
    patches = jnp.concatenate(shifts, axis=-1)
    flat = patches.reshape(batch * slots**2, kernel**2 * inner)
    # Batch norm follows, so a bias would do nothing.
    out = dense(channels, name, bias=False)(flat)
    return out.reshape(batch, slots, slots, channels)


def largest_of_squares(x_BNNC: jax.Array) -> jax.Array:
    """The largest of every 2 x 2 points, zeros beyond the edge: values are not negative.

    Written by comparisons: the gradient of `max` divides by the number of equal values,
    of which a compiler that computes them twice can find none, and the gradient of a
    pooling window is slow on a CPU.
    """
    beyond = (0, x_BNNC.shape[1] % 2)
    padded = jnp.pad(x_BNNC, ((0, 0), beyond, beyond, (0, 0)))
    upper, lower = padded[:, 0::2], padded[:, 1::2]
    rows = jnp.where(upper >= lower, upper, lower)
    left, right = rows[:, :, 0::2], rows[:, :, 1::2]
    return jnp.where(left >= right, left, right)


class _BatchNorm(nn.Module):
    """Batch norm over rows and points; statistics of the batch if weights are given."""

    epsilon: float

    @nn.compact
    def __call__(self, x_BNNC: jax.Array, weights: jax.Array | None) -> jax.Array:
        shape = (x_BNNC.shape[-1],)
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        mean = self.param("mean", nn.initializers.zeros, shape)
        log_variance = self.param("log_variance", nn.initializers.zeros, shape)
        if weights is None:
            mean = jax.lax.stop_gradient(mean)
            log_variance = jax.lax.stop_gradient(log_variance)
        else:
            points = math.prod(x_BNNC.shape[1:3])
            share_B = weights / (jnp.maximum(jnp.sum(weights), 1e-12) * points)

            def average(values_BNNC):
                per_row_BC = jnp.sum(values_BNNC, axis=(1, 2))
                return jnp.sum(per_row_BC * share_B[:, None], axis=0)

            mean = average(x_BNNC)
            variance = average(jnp.square(x_BNNC - mean[None, None, None, :]))
            log_variance = jnp.log(variance + self.epsilon)
            self.put_variable("batch", "mean", mean)
            self.put_variable("batch", "log_variance", log_variance)
        factor = scale * jnp.exp(-0.5 * log_variance)
        centred = x_BNNC - mean[None, None, None, :]
        return centred * factor[None, None, None, :] + bias[None, None, None, :]
