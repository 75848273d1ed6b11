"""TNASP: a Transformer over an architecture's nodes with Laplacian positions.

"TNASP: A Transformer-based NAS Predictor with a Self-evolution Framework" (Lu et al.,
NeurIPS 2021), section 3. Sizes that the paper leaves out are those of PINAT (AAAI
2023), the public code of the same group. Axis letters: B architectures, N node slots,
T = B N tokens, D model width, H heads.
"""

import dataclasses
import math
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from tnasp_jax import encodings
from tnasp_jax.graphs import Graphs, check_shapes, is_valid
from tnasp_jax.predictors.base import Predictor

# Accelerators would round the factors of a product to fewer bits by default.
FLOAT32 = jax.lax.Precision.HIGHEST


@dataclasses.dataclass(frozen=True, kw_only=True)
class TnaspConfig:
    """Sizes and variants of TNASP; the defaults are the published network.

    Attributes:
      num_layers: encoder layers.
      width: D, model width.
      num_heads: H.
      head_width: width of a head's queries, keys and values.
      hidden: width of the feed-forward layer.
      regressor_hidden: width between the regressor's two linear maps.
      dropout: rate, after every sub-layer, on the attention and in the regressor.
      position: "laplacian" adds a linear map of each node's Laplacian row, "none"
        leaves the position term out (the paper's ablation).
      masked: whether attention and pooling leave dead slots out. The published code
        lets them take part, as nodes of an operation of their own.
    """

    num_layers: int = 3
    width: int = 80
    num_heads: int = 4
    head_width: int = 64
    hidden: int = 512
    regressor_hidden: int = 96
    dropout: float = 0.1
    position: Literal["laplacian", "none"] = "laplacian"
    masked: bool = True


def tnasp(num_ops: int, config: TnaspConfig = TnaspConfig()) -> Predictor:
    """The TNASP predictor for graphs whose nodes have `num_ops` operations.

    Args:
      num_ops: number of operations of the space, `len(space.ops)`.
      config: sizes and variants.

    Returns:
      A `Predictor`; `apply` raises ValueError at trace time for wrong shapes.
    """
    network = _Tnasp(num_ops, config)

    def init(key: jax.Array, graphs: Graphs):
        check_shapes(graphs)
        return network.init(key, graphs)["params"]

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        check_shapes(graphs, position_slots(params))
        rngs = None if dropout_key is None else {"dropout": dropout_key}
        scores = network.apply(
            {"params": params}, graphs, train=dropout_key is not None, rngs=rngs
        )
        return jnp.where(is_valid(graphs, num_ops), jnp.asarray(scores), jnp.nan)

    return Predictor(init, apply)


def position_slots(params) -> int | None:
    """N that the position map was made for; None without a position term."""
    return params["position"]["kernel"].shape[0] if "position" in params else None


class _Tnasp(nn.Module):
    num_ops: int
    config: TnaspConfig

    @nn.compact
    def __call__(self, graphs: Graphs, train: bool = False) -> jax.Array:
        cfg = self.config
        batch, slots = graphs.ops.shape
        mask = jnp.asarray(graphs.mask)
        # Index num_ops is the operation of a dead slot.
        ops = jnp.where(mask, jnp.clip(graphs.ops, 0, self.num_ops - 1), self.num_ops)
        tokens_TD = nn.Embed(
            self.num_ops + 1,
            cfg.width,
            embedding_init=nn.initializers.normal(1.0),
            name="operation",
        )(ops.reshape(-1))
        if cfg.position == "laplacian":
            rows = encodings.laplacian_rows(graphs).reshape(batch * slots, slots)
            tokens_TD += dense(cfg.width, "position")(rows)
        if not cfg.masked:
            mask = jnp.ones_like(mask)
        return TransformerRegressor(cfg, name="encoder")(
            tokens_TD.reshape(batch, slots, cfg.width), mask, train
        )


class TransformerRegressor(nn.Module):
    """Post-norm Transformer encoder, mean over live tokens, linear regressor."""

    config: TnaspConfig

    @nn.compact
    def __call__(
        self, tokens_BND: jax.Array, mask_BN: jax.Array, train: bool
    ) -> jax.Array:
        cfg = self.config
        batch, slots, width = tokens_BND.shape
        # One matrix product over all tokens beats B small ones on every platform.
        x_TD = tokens_BND.reshape(batch * slots, width)
        x_TD = _norm("norm")(_Dropout(cfg.dropout)(x_TD, train))
        for layer in range(cfg.num_layers):
            attended_TD = _Attention(cfg, name=f"attention_{layer}")(
                x_TD, mask_BN, train
            )
            x_TD = _norm(f"attention_norm_{layer}")(x_TD + attended_TD)
            hidden = nn.relu(dense(cfg.hidden, f"expand_{layer}")(x_TD))
            mixed_TD = _Narrowing(width, name=f"contract_{layer}")(hidden)
            mixed_TD = _Dropout(cfg.dropout)(mixed_TD, train)
            x_TD = _norm(f"mix_norm_{layer}")(x_TD + mixed_TD)
        weights = mask_BN / jnp.maximum(jnp.sum(mask_BN, axis=1, keepdims=True), 1)
        x_BND = x_TD.reshape(batch, slots, width)
        pooled_BD = jnp.einsum("bnd,bn->bd", x_BND, weights, precision=FLOAT32)
        hidden = dense(cfg.regressor_hidden, "regressor_in", bias=False)(pooled_BD)
        hidden = _Dropout(cfg.dropout)(hidden, train)
        return dense(1, "regressor_out", bias=False)(hidden)[:, 0]


class _Attention(nn.Module):
    config: TnaspConfig

    @nn.compact
    def __call__(self, x_TD: jax.Array, mask_BN: jax.Array, train: bool) -> jax.Array:
        cfg = self.config
        batch, slots = mask_BN.shape
        inner = cfg.num_heads * cfg.head_width

        def heads(name: str) -> jax.Array:  # [B, H, N, K]
            split = (batch, slots, cfg.num_heads, cfg.head_width)
            return jnp.swapaxes(
                dense(inner, name, bias=False)(x_TD).reshape(split), 1, 2
            )

        # Heads first: both products then run over contiguous matrices.
        query, key, value = heads("query"), heads("key"), heads("value")
        logits = jnp.matmul(query, jnp.swapaxes(key, 2, 3), precision=FLOAT32)
        logits = logits / math.sqrt(cfg.head_width)
        logits = jnp.where(mask_BN[:, None, None, :], logits, -1e9)
        attention = _Dropout(cfg.dropout)(nn.softmax(logits), train)
        mixed = jnp.swapaxes(jnp.matmul(attention, value, precision=FLOAT32), 1, 2)
        out_TD = _Narrowing(x_TD.shape[-1], bias=False, name="out")(
            mixed.reshape(batch * slots, inner)
        )
        return _Dropout(cfg.dropout)(out_TD, train)


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


class _Narrowing(nn.Module):
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


def _norm(name: str) -> nn.LayerNorm:
    return nn.LayerNorm(epsilon=1e-6, name=name)
