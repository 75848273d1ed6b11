"""RegressionNAS: the encoder of CTNAS under a linear regressor.

The control of "Contrastive Neural Architecture Search with Neural Architecture
Comparators" (Chen et al., CVPR 2021): the same graph convolutions, trained by the squared
error of the labels. Axis letters: B architectures, D width.
"""

import flax.linen as nn
import jax

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors.base import Predictor
from tnasp_jax.predictors.ctnas import RECIPE, CtnasConfig, GraphEncoder
from tnasp_jax.predictors.layers import dense, of_network


def regression_nas(num_ops: int, config: CtnasConfig = CtnasConfig()) -> Predictor:
    """A linear map of the graph's vector: score = w . u + b.

    Args:
      num_ops: number of operations of the space, `len(space.ops)`.
      config: sizes, those of CTNAS; `num_references` says nothing here.

    Returns:
      A `Predictor`; `apply` raises ValueError at trace time for wrong shapes.
    """
    network = _RegressionNas(num_ops, config)
    return Predictor(*of_network(network, num_ops), recipe=RECIPE)


class _RegressionNas(nn.Module):
    num_ops: int
    config: CtnasConfig

    @nn.compact
    def __call__(self, graphs: Graphs, train: bool = False) -> jax.Array:
        u_BD = GraphEncoder(self.num_ops, self.config, name="encoder")(graphs, train)
        return dense(1, "regressor")(u_BD)[:, 0]
