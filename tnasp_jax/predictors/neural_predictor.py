"""Neural Predictor: graph convolutions along the edges and against them.

"Neural Predictor for Neural Architecture Search" (Wen et al., ECCV 2020), section 3. Axis
letters: B architectures, N node slots, T = B N tokens, D width.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from tnasp_jax.graphs import Graphs, live_adjacency
from tnasp_jax.predictors.base import Predictor
from tnasp_jax.predictors.layers import (
    FLOAT32,
    Dropout,
    dense,
    live_ops,
    mean_over,
    of_network,
    with_itself,
)
from tnasp_jax.predictors.recipe import FitConfig

RECIPE = FitConfig(learning_rate=3e-4)
"""The published one but for the learning rate, 1e-4, which underfits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NeuralPredictorConfig:
    """Sizes of the Neural Predictor; the defaults are the published network.

    Attributes:
      num_layers: directed graph convolutions.
      width: D, of every convolution.
      hidden: width between the regressor's two linear maps.
      dropout: rate after every convolution and in the regressor.
    """

    num_layers: int = 3
    width: int = 144
    hidden: int = 128
    dropout: float = 0.1


def neural_predictor(
    num_ops: int, config: NeuralPredictorConfig = NeuralPredictorConfig()
) -> Predictor:
    """The Neural Predictor for graphs whose nodes have `num_ops` operations.

    It is the regressor alone, without the classifier that the paper can put before it.
    Between the regressor's two linear maps there is no ReLU, as in TNASP's.

    Args:
      num_ops: number of operations of the space, `len(space.ops)`.
      config: sizes.

    Returns:
      A `Predictor`; `apply` raises ValueError at trace time for wrong shapes.
    """
    network = _NeuralPredictor(num_ops, config)
    return Predictor(*of_network(network, num_ops), recipe=RECIPE)


class _NeuralPredictor(nn.Module):
    num_ops: int
    config: NeuralPredictorConfig

    @nn.compact
    def __call__(self, graphs: Graphs, train: bool = False) -> jax.Array:
        cfg = self.config
        live_BNN = live_adjacency(graphs)
        forward_BNN = with_itself(live_BNN)
        backward_BNN = with_itself(jnp.swapaxes(live_BNN, 1, 2))
        # A dead slot is a row of zeros, and stays one: convolutions have no bias.
        x_BND = jax.nn.one_hot(live_ops(graphs, self.num_ops), self.num_ops)
        for layer in range(cfg.num_layers):
            convolution = _Convolution(cfg.width, name=f"convolution_{layer}")
            x_BND = convolution(x_BND, forward_BNN, backward_BNN)
            x_BND = Dropout(cfg.dropout)(x_BND, train)
        pooled_BD = mean_over(jnp.asarray(graphs.mask), x_BND)
        hidden = dense(cfg.hidden, "regressor_in", bias=False)(pooled_BD)
        hidden = Dropout(cfg.dropout)(hidden, train)
        return dense(1, "regressor_out")(hidden)[:, 0]


class _Convolution(nn.Module):
    """(ReLU(Â x W) + ReLU(Â' x W')) / 2: a node's mean with those it feeds or is fed by.

    Â has the rows of A + I divided by their sums, Â' those of A^T + I.
    """

    width: int

    @nn.compact
    def __call__(
        self, x_BND: jax.Array, forward_BNN: jax.Array, backward_BNN: jax.Array
    ) -> jax.Array:
        batch, slots, _ = x_BND.shape

        def convolved(mixing_BNN: jax.Array, name: str) -> jax.Array:
            mixed_BND = jnp.matmul(mixing_BNN, x_BND, precision=FLOAT32)
            linear = nn.Dense(
                self.width,
                use_bias=False,
                kernel_init=nn.initializers.glorot_uniform(),
                precision=FLOAT32,
                name=name,
            )
            return nn.relu(linear(mixed_BND.reshape(batch * slots, -1)))

        onward_TD = convolved(forward_BNN, "forward")
        against_TD = convolved(backward_BNN, "backward")
        return (0.5 * (onward_TD + against_TD)).reshape(batch, slots, self.width)
