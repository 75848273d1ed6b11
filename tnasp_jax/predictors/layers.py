"""Layers that predictors share.

Axis letters: B architectures, N node slots, T = B N tokens, D width, H heads, K width of
a head, F features.
"""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from tnasp_jax.graphs import Graphs, check_shapes, is_valid
from tnasp_jax.predictors.base import Apply, Params

# Accelerators would round the factors of a product to fewer bits by default.
FLOAT32 = jax.lax.Precision.HIGHEST


def of_network(
    network: nn.Module,
    num_ops: int,
    slots: Callable[[Params], int | None] = lambda params: None,
) -> tuple[Callable[[jax.Array, Graphs], Params], Apply]:
    """The init and apply of a module that is called as `network(graphs, train)`.

    Args:
      network: gives scores [B]; drops out by the rng "dropout".
      num_ops: number of operations; rows that are not graphs of them score NaN.
      slots: N that given parameters were made for, None for any.
    """

    def init(key: jax.Array, graphs: Graphs) -> Params:
        check_shapes(graphs)
        return network.init(key, graphs)["params"]

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        check_shapes(graphs, slots(params))
        scores = network.apply({"params": params}, graphs, **mode(dropout_key))
        return jnp.where(is_valid(graphs, num_ops), jnp.asarray(scores), jnp.nan)

    return init, apply


def mode(dropout_key: jax.Array | None) -> dict:
    """Arguments of a module's apply with and without a dropout key."""
    if dropout_key is None:
        return {}
    return {"train": True, "rngs": {"dropout": dropout_key}}


def live_ops(graphs: Graphs, num_ops: int) -> jax.Array:
    """[B, N] operations inside 0 .. num_ops - 1, and num_ops where a slot is dead."""
    ops = jnp.clip(jnp.asarray(graphs.ops), 0, num_ops - 1)
    return jnp.where(jnp.asarray(graphs.mask), ops, num_ops)


def mean_over(mask_BN: jax.Array, x_BND: jax.Array) -> jax.Array:
    """Mean over the slots that the mask keeps, [B, D]; zero where it keeps none."""
    weights = mask_BN / jnp.maximum(jnp.sum(mask_BN, axis=1, keepdims=True), 1)
    return jnp.einsum("bnd,bn->bd", x_BND, weights, precision=FLOAT32)


def with_itself(edges_BNN: jax.Array) -> jax.Array:
    """Rows of A + I divided by their sums, [B, N, N] float32."""
    linked = edges_BNN.astype(jnp.float32) + jnp.eye(edges_BNN.shape[-1])[None]
    return linked / jnp.sum(linked, axis=2, keepdims=True)


def embed(num: int, width: int, name: str) -> nn.Embed:
    """A vector for each of `num` indices, standard normal at the start."""
    return nn.Embed(num, width, embedding_init=nn.initializers.normal(1.0), name=name)


class Attention(nn.Module):
    """Self-attention over the live slots of each graph: [T, D] to [T, D]."""

    num_heads: int
    head_width: int
    dropout: float

    @nn.compact
    def __call__(self, x_TD: jax.Array, mask_BN: jax.Array, train: bool) -> jax.Array:
        batch, slots = mask_BN.shape
        inner = self.num_heads * self.head_width

        def heads(name: str) -> jax.Array:  # [B, H, N, K]
            split = (batch, slots, self.num_heads, self.head_width)
            return jnp.swapaxes(
                dense(inner, name, bias=False)(x_TD).reshape(split), 1, 2
            )

        # Heads first: both products then run over contiguous matrices.
        query, key, value = heads("query"), heads("key"), heads("value")
        logits = jnp.matmul(query, jnp.swapaxes(key, 2, 3), precision=FLOAT32)
        logits = logits / math.sqrt(self.head_width)
        logits = jnp.where(mask_BN[:, None, None, :], logits, -1e9)
        attention = Dropout(self.dropout)(nn.softmax(logits), train)
        mixed = jnp.swapaxes(jnp.matmul(attention, value, precision=FLOAT32), 1, 2)
        out_TD = Narrowing(x_TD.shape[-1], bias=False, name="out")(
            mixed.reshape(batch * slots, inner)
        )
        return Dropout(self.dropout)(out_TD, train)


class _Dropout(nn.Module):
    """Dropout by random bytes: a quarter of the random bits of the stock layer.

    The rate is rounded to a multiple of 1/256, and the kept values are scaled by the
    rounded rate, so the expectation is exact.
    """

    rate: float

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        threshold = round(256 * self.rate)
        if not train or threshold == 0:
            return x
        words = jax.random.bits(
            self.make_rng("dropout"), (-(-x.size // 4),), jnp.uint32
        )
        drawn = jax.lax.bitcast_convert_type(words, jnp.uint8)
        drawn = drawn.reshape(-1)[: x.size].reshape(x.shape)
        return jnp.where(drawn >= threshold, x * (256 / (256 - threshold)), 0.0)


# Flax folds a class's name into its random keys. The committed results are of this name;
# under another one the same flags would train other networks.
Dropout = _Dropout


class Narrowing(nn.Module):
    """A linear map from many to few features, its matrix stored [out, in].

    A CPU multiplies by it faster in that order, in the gradient above all.
    """

    width: int
    bias: bool = True

    @nn.compact
    def __call__(self, x_TF: jax.Array) -> jax.Array:
        start = nn.initializers.variance_scaling(
            1 / 3, "fan_in", "uniform", in_axis=1, out_axis=0
        )
        kernel_DF = self.param("transposed", start, (self.width, x_TF.shape[1]))
        # Contracted as it is stored, without a transpose.
        y_TD = jax.lax.dot_general(
            x_TF, kernel_DF, (((1,), (1,)), ((), ())), precision=FLOAT32
        )
        if self.bias:
            bias_D = self.param("bias", nn.initializers.zeros, (self.width,))
            y_TD += bias_D[None, :]
        return y_TD


def dense(width: int, name: str, bias: bool = True) -> nn.Dense:
    """A linear map, uniform in +-1/sqrt(fan_in) like the published code's start."""
    return nn.Dense(
        width,
        use_bias=bias,
        kernel_init=nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
        precision=FLOAT32,
        name=name,
    )


def norm(name: str) -> nn.LayerNorm:
    """Layer norm with the published code's epsilon."""
    return nn.LayerNorm(epsilon=1e-6, name=name)
