"""NAO: an autoencoder of token sequences whose latent space knows the accuracy.

"Neural Architecture Optimization" (Luo et al., NeurIPS 2018), section 3. An LSTM reads an
architecture as a sequence of tokens, a small network regresses the label from what it
read, and a second LSTM writes the sequence again. Axis letters: B architectures, N node
slots, L = (N - 1)(N + 2) / 2 tokens, K different tokens, D width, G = 4 D gates.
"""

import dataclasses
import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax import losses
from tnasp_jax.encodings import reachability
from tnasp_jax.graphs import Graphs, check_shapes, is_valid, live_adjacency
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.layers import (
    FLOAT32,
    Dropout,
    dense,
    embed,
    live_ops,
    mode,
    of_network,
)
from tnasp_jax.predictors.recipe import FitConfig

RECIPE = FitConfig(
    epochs=1000,
    batch_size=100,
    learning_rate=1e-3,
    weight_decay=1e-4,
    cosine=False,
    clip=5.0,
)

# Tokens after those of the operations, 0 .. num_ops - 1.
DEAD, ABSENT, PRESENT, START = range(4)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NaoConfig:
    """Sizes and the loss of NAO; the defaults are the published ones but for dropout.

    Attributes:
      width: D, of embeddings, both LSTMs and the latent vector.
      hidden: width between the regressor's two linear maps.
      reconstruction: weight of the sequence's negative log-likelihood in the loss; the
        squared error has the rest.
      dropout: rate on what the LSTMs give and in the regressor. Where is ours.
    """

    width: int = 64
    hidden: int = 200
    reconstruction: float = 0.2
    dropout: float = 0.1


def nao(num_ops: int, config: NaoConfig = NaoConfig()) -> Predictor:
    """The NAO predictor for graphs whose nodes have `num_ops` operations.

    Trained by .8 (score - label)^2 + .2 NLL, with NLL the mean over a sequence's tokens.
    The score is linear in the regressor's last layer, since labels are in training units;
    the paper's, for accuracies in 0 .. 1, ends in a sigmoid. Scoring does not decode.

    Args:
      num_ops: number of operations of the space, `len(space.ops)`.
      config: sizes.

    Returns:
      A `Predictor` with an objective; `apply` raises ValueError at trace time for wrong
      shapes. `nao_ascend` climbs in its latent space.
    """
    network = _Nao(num_ops, config)
    _, apply = of_network(network, num_ops)

    def init(key: jax.Array, graphs: Graphs) -> Params:
        check_shapes(graphs)
        return network.init(key, graphs, method="rebuild")["params"]

    def objective(params, graphs: Graphs, labels, weights, *, dropout_key):
        check_shapes(graphs)
        scores, surprise_B = network.apply(
            {"params": params}, graphs, method="rebuild", **mode(dropout_key)
        )
        share_B = weights / jnp.maximum(jnp.sum(weights), 1e-12)
        part = config.reconstruction
        regression = losses.mse(scores, labels, weights)
        return (1 - part) * regression + part * jnp.sum(share_B * surprise_B)

    return Predictor(init, apply, objective, recipe=RECIPE)


class Ascent(NamedTuple):
    """Where `nao_ascend` arrived.

    Attributes:
      graphs: [B, N] what the decoder writes there, without the nodes that lie on no
        path from the first live slot to the last.
      whole: [B] bool, which of them are cells: the last live node is reached, and its
        operation and the first node's are those of the start and stand nowhere else.
        What else a space asks for, such as at most so many edges, is not looked at.
      scores: [B] the score of the latent vector, in label units, before decoding. The
        decoded graph has another, often a lower one: `apply(params, graphs)`. NaN for a
        start that is not a graph.
    """

    graphs: Graphs
    whole: jax.Array
    scores: jax.Array


def nao_ascend(
    params: Params,
    graphs: Graphs,
    step_size: float | jax.Array,
    num_steps: int | jax.Array = 1,
    *,
    config: NaoConfig = NaoConfig(),
) -> Ascent:
    """Moves architectures uphill in the latent space, and decodes where they arrive.

    The encoder's unit vectors h_1 .. h_L, from which the latent vector is made and which
    the decoder attends to, follow the gradient of the score:
    h <- unit(h + step_size d score / d h). Decoding is greedy and among the tokens that
    may stand in a place, so only forward edges can come out.

    Pure: `jax.jit(nao_ascend)`, and `jax.vmap` over step sizes, with `config` left out
    or static.

    Args:
      params: trained, of `nao`, for one draw.
      graphs: [B, N] where to start, such as the best of the training cells. A decoded
        graph keeps its slot 0, which the sequence does not tell.
      step_size: at least 0, in latent length a label unit. About 1 with labels in normal
        ranks; well above, the decoder is led where it has seen nothing, and little of
        what it writes is whole.
      num_steps: gradient steps.
      config: that of the predictor.

    Returns:
      An `Ascent`.

    Raises:
      ValueError: at trace time, for wrong shapes.
    """
    check_shapes(graphs)
    num_ops = params["encoder"]["lstm"]["token"]["embedding"].shape[0] - START
    network = functools.partial(_Nao(num_ops, config).apply, {"params": params})

    def total(states_LBD: jax.Array) -> jax.Array:
        return jnp.sum(jnp.asarray(network(states_LBD, method="score")))

    def climb(_, states_LBD: jax.Array) -> jax.Array:
        return unit(states_LBD + step_size * jax.grad(total)(states_LBD))

    start_LBD = network(graphs, method="read")
    states_LBD = jax.lax.fori_loop(0, num_steps, climb, start_LBD)

    def write(carry, may_K):
        token_B, memory = carry
        logits_LBK, memory = network(token_B[None], states_LBD, memory, method="write")
        allowed = jnp.where(may_K[None], logits_LBK[0], -jnp.inf)
        token_B = jnp.argmax(allowed, axis=1)
        return (token_B, memory), token_B

    first_B = jnp.full(len(graphs), num_ops + START)
    latent_BD = latent(states_LBD)
    may_LK = allowed_tokens(graphs.ops.shape[1], num_ops)
    _, tokens_LB = jax.lax.scan(write, (first_B, (latent_BD, latent_BD)), may_LK)
    decoded, whole = _trimmed(from_tokens(tokens_LB.T, graphs, num_ops), graphs)
    valid = is_valid(graphs, num_ops)
    scores = jnp.asarray(network(states_LBD, method="score"))
    return Ascent(decoded, whole & valid, jnp.where(valid, scores, jnp.nan))


# The sequence.


def to_tokens(graphs: Graphs, num_ops: int) -> jax.Array:
    """The sequence of each graph, [B, L] int.

    For each slot j from 1 on: whether there is an edge i -> j (`PRESENT`) or not
    (`ABSENT`), i = 0 .. j - 1, then the operation of slot j, or `DEAD`. These three come
    after the operations: PRESENT is num_ops + 2. Slot 0, the input, is not written.
    """
    ops_BN = live_ops(graphs, num_ops)
    edges_BNN = num_ops + jnp.where(live_adjacency(graphs), PRESENT, ABSENT)
    diagonal = np.eye(ops_BN.shape[1], dtype=bool)[None]
    table_BNN = jnp.where(diagonal, ops_BN[:, None, :], edges_BNN)
    return table_BNN[(slice(None), *_places(ops_BN.shape[1]))]


def from_tokens(tokens_BL: jax.Array, start: Graphs, num_ops: int) -> Graphs:
    """Graphs of sequences, the inverse of `to_tokens`; slot 0 is that of `start`."""
    batch, slots = start.ops.shape
    rows, columns = _places(slots)
    table_BNN = jnp.zeros((batch, slots, slots), tokens_BL.dtype)
    table_BNN = table_BNN.at[:, rows, columns].set(tokens_BL)
    ops_BN = jnp.diagonal(table_BNN, axis1=1, axis2=2)
    ops_BN = ops_BN.at[:, 0].set(live_ops(start, num_ops)[:, 0])
    graphs = Graphs(
        ops=ops_BN,
        adjacency=table_BNN == num_ops + PRESENT,
        mask=ops_BN != num_ops + DEAD,
    )
    return dataclasses.replace(graphs, adjacency=live_adjacency(graphs))


def allowed_tokens(num_slots: int, num_ops: int) -> np.ndarray:
    """Which tokens may stand in which place of a sequence, [L, K] bool."""
    rows, columns = _places(num_slots)
    writes_op = np.arange(num_ops + START) <= num_ops + DEAD
    return (rows == columns)[:, None] == writes_op[None]


def _places(num_slots: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each token in the matrix of edges with operations on its diagonal."""
    columns, rows = np.tril_indices(num_slots)
    return rows[1:], columns[1:]


def _trimmed(decoded: Graphs, start: Graphs) -> tuple[Graphs, jax.Array]:
    """Without the nodes off the paths between the ends; [B] which of them are cells."""
    rows = jnp.arange(len(decoded))
    first_B, last_B = _ends(decoded.mask)
    reach_BNN = reachability(decoded) | np.eye(decoded.ops.shape[1], dtype=bool)[None]
    on_path_BN = reach_BNN[rows, first_B] & reach_BNN[rows, :, last_B]
    mask_BN = decoded.mask & on_path_BN
    trimmed = Graphs(
        ops=jnp.where(mask_BN, decoded.ops, 0),
        adjacency=decoded.adjacency,
        mask=mask_BN,
    )
    whole_B = reach_BNN[rows, first_B, last_B]
    for end_B, wanted_B in zip((first_B, last_B), _ends(start.mask), strict=True):
        op_B = jnp.asarray(start.ops)[rows, wanted_B]
        carries_BN = mask_BN & (trimmed.ops == op_B[:, None])
        whole_B &= carries_BN[rows, end_B] & (jnp.sum(carries_BN, axis=1) == 1)
    trimmed = dataclasses.replace(trimmed, adjacency=live_adjacency(trimmed))
    return trimmed, whole_B


def _ends(mask_BN: jax.Array | np.ndarray) -> tuple[jax.Array, jax.Array]:
    """The first and the last live slot of each graph, [B] each."""
    last_B = mask_BN.shape[1] - 1 - jnp.argmax(mask_BN[:, ::-1], axis=1)
    return jnp.argmax(mask_BN, axis=1), last_B


# The network. Sequences stand time first: [L, B, D].

Memory = tuple[jax.Array, jax.Array]
"""An LSTM's output and its cell, [B, D] each."""


class _Nao(nn.Module):
    num_ops: int
    config: NaoConfig

    def setup(self):
        cfg = self.config
        self.encoder = _Encoder(self.num_ops + START, cfg)
        self.regressor = _Regressor(cfg)
        self.decoder = _Decoder(self.num_ops + START, cfg)

    def __call__(self, graphs: Graphs, train: bool = False) -> jax.Array:
        return self.score(self.read(graphs, train), train)

    def read(self, graphs: Graphs, train: bool = False) -> jax.Array:
        """The unit vectors of the tokens, [L, B, D]."""
        return self.encoder(to_tokens(graphs, self.num_ops).T, train)

    def score(self, states_LBD: jax.Array, train: bool = False) -> jax.Array:
        return self.regressor(latent(states_LBD), train)

    def write(
        self, before_LB: jax.Array, states_LBD: jax.Array, memory: Memory, train=False
    ) -> tuple[jax.Array, Memory]:
        """Logits of the tokens that follow `before_LB`, [L, B, K], and the memory."""
        return self.decoder(before_LB, states_LBD, memory, train)

    def rebuild(
        self, graphs: Graphs, train: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Scores [B], and the mean NLL of each sequence's tokens, [B]."""
        tokens_LB = to_tokens(graphs, self.num_ops).T
        states_LBD = self.encoder(tokens_LB, train)
        first_1B = jnp.full_like(tokens_LB[:1], self.num_ops + START)
        before_LB = jnp.concatenate([first_1B, tokens_LB[:-1]])
        latent_BD = latent(states_LBD)
        memory = (latent_BD, latent_BD)
        logits_LBK, _ = self.write(before_LB, states_LBD, memory, train)
        right_LBK = jax.nn.one_hot(tokens_LB, logits_LBK.shape[-1])
        surprise_LB = -jnp.sum(right_LBK * nn.log_softmax(logits_LBK), axis=-1)
        return self.regressor(latent_BD, train), jnp.mean(surprise_LB, axis=0)


class _Encoder(nn.Module):
    """Tokens [L, B] to unit vectors [L, B, D]."""

    num_tokens: int
    config: NaoConfig

    @nn.compact
    def __call__(self, tokens_LB: jax.Array, train: bool) -> jax.Array:
        cfg = self.config
        zeros_BD = jnp.zeros((tokens_LB.shape[1], cfg.width))
        lstm = _TokenLstm(self.num_tokens, cfg.width, name="lstm")
        embedded_LBD, heard_LBD, _ = lstm(tokens_LB, (zeros_BD, zeros_BD))
        heard_LBD = Dropout(cfg.dropout)(heard_LBD, train)
        return unit(embedded_LBD + dense(cfg.width, "project")(heard_LBD))


class _Regressor(nn.Module):
    """Latent vectors [B, D] to scores [B]."""

    config: NaoConfig

    @nn.compact
    def __call__(self, latent_BD: jax.Array, train: bool) -> jax.Array:
        hidden = nn.relu(dense(self.config.hidden, "hidden")(latent_BD))
        hidden = Dropout(self.config.dropout)(hidden, train)
        return dense(1, "score")(hidden)[:, 0]


class _Decoder(nn.Module):
    """Tokens [L, B] to the logits of those that follow, [L, B, K].

    What the LSTM gives attends to the S vectors of the encoder. The attention does not
    return into the LSTM, so in training all steps attend at once.
    """

    num_tokens: int
    config: NaoConfig

    @nn.compact
    def __call__(
        self, before_LB: jax.Array, states_SBD: jax.Array, memory: Memory, train: bool
    ) -> tuple[jax.Array, Memory]:
        cfg = self.config
        lstm = _TokenLstm(self.num_tokens + 1, cfg.width, name="lstm")
        _, said_LBD, memory = lstm(before_LB, memory)
        said_LBD = Dropout(cfg.dropout)(said_LBD, train)
        query_LBD = dense(cfg.width, "query", bias=False)(said_LBD)
        logits_BLS = jnp.einsum(
            "lbd,sbd->bls", query_LBD, states_SBD, precision=FLOAT32
        )
        attention_BLS = nn.softmax(logits_BLS)
        seen_LBD = jnp.einsum(
            "bls,sbd->lbd", attention_BLS, states_SBD, precision=FLOAT32
        )
        both = jnp.concatenate([said_LBD, seen_LBD], axis=-1)
        out_LBD = jnp.tanh(dense(cfg.width, "combine")(both))
        return dense(self.num_tokens, "token")(out_LBD), memory


class _TokenLstm(nn.Module):
    """An embedding, and an LSTM layer that reads it: both [L, B, D], and the memory."""

    num_tokens: int
    width: int

    @nn.compact
    def __call__(
        self, tokens_LB: jax.Array, memory: Memory
    ) -> tuple[jax.Array, jax.Array, Memory]:
        token = embed(self.num_tokens, self.width, "token")
        # There are few tokens: their products with the input's weights are a table.
        table_KG = dense(4 * self.width, "input")(token.embedding)
        start = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        recurrent_DG = self.param("recurrent", start, (self.width, 4 * self.width))

        def step(memory, given_BG):
            output_BD, cell_BD = memory
            gates_BG = given_BG + jnp.matmul(output_BD, recurrent_DG, precision=FLOAT32)
            enter, keep, new, leave = jnp.split(gates_BG, 4, axis=1)
            cell_BD = nn.sigmoid(keep) * cell_BD + nn.sigmoid(enter) * jnp.tanh(new)
            output_BD = nn.sigmoid(leave) * jnp.tanh(cell_BD)
            return (output_BD, cell_BD), output_BD

        memory, outputs_LBD = jax.lax.scan(step, memory, table_KG[tokens_LB])
        return token(tokens_LB), outputs_LBD, memory


def latent(states_LBD: jax.Array) -> jax.Array:
    """The architecture's unit vector, [B, D]: the direction of its states' mean."""
    return unit(jnp.mean(states_LBD, axis=0))


def unit(x: jax.Array) -> jax.Array:
    """Vectors along the last axis at length one."""
    square = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-12))
