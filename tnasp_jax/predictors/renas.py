"""ReNAS: a small convolutional network over planes of operations and costs.

"ReNAS: Relativistic Evaluation of Neural Architecture Search" (Xu et al., CVPR 2021),
section 3, and its published code. A cell becomes an image of N x N points, one for each
possible edge. Axis letters: B architectures, N node slots, M cells of the stacked
network that differ, P = 1 + 2 M planes, C channels.
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
from tnasp_jax.predictors.layers import dense
from tnasp_jax.predictors.recipe import FitConfig
from tnasp_jax.spaces.base import CostedSpace

FLOPS_UNIT, PARAMETERS_UNIT = 1e9, 1e6  # Planes hold numbers around 1.
RECIPE = FitConfig(
    epochs=200,
    batch_size=1024,
    learning_rate=1e-3,
    weight_decay=0.0,
    cosine=False,
)
CONSTANT = 100.0  # Log variance of what does not vary: nothing of it is left.


@dataclasses.dataclass(frozen=True, kw_only=True)
class RenasConfig:
    """Sizes of ReNAS; the defaults are the published network.

    Attributes:
      channels: of the two convolutions.
      hidden: widths of the dense layers before the score.
      kernel: side of a convolution's window, odd.
      epsilon: added to the variance in batch norms.

    Raises:
      ValueError: for an even window, which has no middle.
    """

    channels: tuple[int, int] = (38, 128)
    hidden: tuple[int, ...] = (120, 84)
    kernel: int = 3
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ValueError(f"RenasConfig: expected an odd kernel, got {self.kernel}")


def renas(space: CostedSpace, config: RenasConfig = RenasConfig()) -> Predictor:
    """The ReNAS predictor of a space that knows what its nodes cost.

    It is trained by log(1 + exp(-(o_i - o_j) sign(y_i - y_j))) over the pairs of a batch
    (`losses.pairwise_logistic`), so only the order of its scores means something.

    Every point of the image is standardised, and batch norms follow both convolutions.
    Inside the objective they take the statistics of the batch. `finish` stores those of
    the training cells, by which `apply` scores. Until then they are those of a standard
    normal. A variance is kept as its logarithm, so that the L2 of training does not move
    it from its start. There is no dropout: a key changes nothing.

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
        del dropout_key
        check_shapes(graphs, slots)
        scores = network.apply({"params": params}, planes(space, graphs))
        return jnp.where(is_valid(graphs, num_ops), jnp.asarray(scores), jnp.nan)

    def objective(params, graphs: Graphs, labels, weights, *, dropout_key):
        del dropout_key
        check_shapes(graphs, slots)
        image = planes(space, graphs)
        scores, _ = network.apply({"params": params}, image, weights, mutable=["batch"])
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

    return Predictor(init, apply, objective, finish, orders_only=True, recipe=RECIPE)


def planes(space: CostedSpace, graphs: Graphs) -> jax.Array:
    """The image of each graph, [B, N, N, P] float32.

    Point (i, j) is zero without a live edge i -> j. With one it tells of node j: its
    operation in the first plane, (index + 1) / number of operations, then its FLOPs in
    each of M cells, in 1e9, then its parameters, in 1e6. The output node has the last
    row and column, the padding those before it.
    """
    num_ops = len(space.ops)
    known_BN = jnp.clip(jnp.asarray(graphs.ops), 0, num_ops - 1) + 1
    flops_BMN, parameters_BMN = space.node_costs(graphs)
    nodes_BPN = jnp.concatenate(
        [
            known_BN[:, None] / num_ops,
            flops_BMN / FLOPS_UNIT,
            parameters_BMN / PARAMETERS_UNIT,
        ],
        axis=1,
    )
    slots_BN = _output_last(jnp.asarray(graphs.mask))
    nodes_BPN = jnp.take_along_axis(nodes_BPN, slots_BN[:, None], axis=2)
    edges_BNN = live_adjacency(graphs)
    edges_BNN = jnp.take_along_axis(edges_BNN, slots_BN[:, :, None], axis=1)
    edges_BNN = jnp.take_along_axis(edges_BNN, slots_BN[:, None, :], axis=2)
    nodes_BNP = jnp.swapaxes(nodes_BPN, 1, 2)
    return jnp.where(edges_BNN[..., None], nodes_BNP[:, None], 0.0)


def _output_last(mask_BN: jax.Array) -> jax.Array:
    """The slot that each place shows, [B, N]: the last live one and the last swapped."""
    last = mask_BN.shape[1] - 1
    output_B1 = last - jnp.argmax(mask_BN[:, ::-1], axis=1)[:, None]
    places = jnp.arange(last + 1)[None]
    swapped = jnp.where(places == output_B1, last, places)
    return jnp.where(places == last, output_B1, swapped)


class _Renas(nn.Module):
    config: RenasConfig

    @nn.compact
    def __call__(
        self, image_BNNP: jax.Array, weights: jax.Array | None = None
    ) -> jax.Array:
        cfg = self.config
        x_BNNC = _Standardised(name="image")(image_BNNP, weights)
        for layer, channels in enumerate(cfg.channels):
            x_BNNC = convolution(x_BNNC, cfg.kernel, channels, f"convolution_{layer}")
            norm = _BatchNorm(cfg.epsilon, name=f"norm_{layer}")
            x_BNNC = nn.relu(norm(x_BNNC, weights))
        x_BF = x_BNNC.reshape(x_BNNC.shape[0], -1)
        for layer, width in enumerate(cfg.hidden):
            x_BF = nn.relu(dense(width, f"dense_{layer}")(x_BF))
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


class _Standardised(nn.Module):
    """Each point of each plane less its mean, over its standard deviation.

    Statistics of the batch if weights are given. A point that does not vary is 0.
    """

    @nn.compact
    def __call__(self, x_BNNP: jax.Array, weights: jax.Array | None) -> jax.Array:
        mean, log_variance = _stored(self, x_BNNP.shape[1:])
        if weights is not None:
            share_B = weights / jnp.maximum(jnp.sum(weights), 1e-12)

            def average(values_BNNP):
                return jnp.sum(values_BNNP * share_B[:, None, None, None], axis=0)

            mean = average(x_BNNP)
            variance = average(jnp.square(x_BNNP - mean[None]))
            varies = variance > 1e-8 * jnp.square(mean)  # More than rounding.
            variance = jnp.where(varies, variance, 1.0)
            log_variance = jnp.where(varies, jnp.log(variance), CONSTANT)
            _store(self, mean, log_variance)
        return (x_BNNP - mean[None]) * jnp.exp(-0.5 * log_variance)[None]


class _BatchNorm(nn.Module):
    """Batch norm over rows and points; statistics of the batch if weights are given."""

    epsilon: float

    @nn.compact
    def __call__(self, x_BNNC: jax.Array, weights: jax.Array | None) -> jax.Array:
        shape = (x_BNNC.shape[-1],)
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        mean, log_variance = _stored(self, shape)
        if weights is not None:
            points = math.prod(x_BNNC.shape[1:3])
            share_B = weights / (jnp.maximum(jnp.sum(weights), 1e-12) * points)

            def average(values_BNNC):
                per_row_BC = jnp.sum(values_BNNC, axis=(1, 2))
                return jnp.sum(per_row_BC * share_B[:, None], axis=0)

            mean = average(x_BNNC)
            variance = average(jnp.square(x_BNNC - mean[None, None, None, :]))
            log_variance = jnp.log(variance + self.epsilon)
            _store(self, mean, log_variance)
        factor = scale * jnp.exp(-0.5 * log_variance)
        centred = x_BNNC - mean[None, None, None, :]
        return centred * factor[None, None, None, :] + bias[None, None, None, :]


def _stored(module: nn.Module, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Mean and log variance that `finish` stored, which no gradient moves."""
    mean = module.param("mean", nn.initializers.zeros, shape)
    log_variance = module.param("log_variance", nn.initializers.zeros, shape)
    return jax.lax.stop_gradient(mean), jax.lax.stop_gradient(log_variance)


def _store(module: nn.Module, mean: jax.Array, log_variance: jax.Array) -> None:
    module.put_variable("batch", "mean", mean)
    module.put_variable("batch", "log_variance", log_variance)
