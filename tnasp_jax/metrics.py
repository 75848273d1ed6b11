"""How well scores rank architectures.

Axis letter: n scores. Ranks are taken from the highest: the best architecture has rank
1. One rule for NaN holds everywhere: a NaN among the scores or the truths that count
makes the result NaN, never a number that looks plausible. Rows without a measured truth
are therefore left out by the caller, or by `mask` where there is one.

`kendall_tau`, `spearman`, `precision_at_k`, `n_at_k` and `regret_at_k` are pure and work
under `jit` and `vmap` (`k` is static); `kendall_tau_host` and `tau_top` are numpy.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tnasp_jax.graphs import Array

MAX_JIT_SIZE = 65_536
"""Most scores that `kendall_tau` takes: all their n (n - 1) / 2 pairs fit an int32."""

_SUM_BLOCK = 256


def kendall_tau(x: Array, y: Array, mask: Array | None = None) -> jax.Array:
    """Kendall's tau-b, exact, in O(n log n); jittable.

    tau_b = (C - D) / sqrt((P - P_x) (P - P_y)) with C concordant and D discordant ones
    among the P pairs of live entries, P_x and P_y of them tied in x and in y (Kendall,
    Biometrika 1945). The pairs are counted in integers; only the final quotient is
    rounded, so that float32 agrees with `scipy.stats.kendalltau` to 1e-6. Inputs keep
    JAX's precision: float64 numpy arrays become float32 unless x64 is enabled, as do
    integers beyond int32, and two values that are one float32 are then a tie.

    Args:
      x: [n] numbers, n <= MAX_JIT_SIZE; infinities are ordinary values.
      y: [n] numbers.
      mask: [n] bool, entries that count; None for all. The others may hold anything.

    Returns:
      [] float in -1 .. 1. NaN if a live entry is NaN, if all live entries of x or of y
      are equal, or if fewer than two are live.

    Raises:
      ValueError: for shapes that differ, and for n above MAX_JIT_SIZE.
    """
    x, y, dead = _pairs("kendall_tau", x, y, mask)
    size = x.shape[0]
    if size > MAX_JIT_SIZE:
        raise ValueError(
            f"kendall_tau: expected at most {MAX_JIT_SIZE} scores, got {size}; "
            "use kendall_tau_host on the host for more"
        )
    return _kendall_tau(x, y, dead)


def kendall_tau_host(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-b of any number of scores, on the host, in float64.

    Args:
      x: [n] numbers.
      y: [n] numbers.

    Returns:
      A float in -1 .. 1; NaN if any entry is NaN, if x or y is constant, or for n < 2.

    Raises:
      ValueError: for shapes that differ.
    """
    from scipy import stats  # half a second, which `import tnasp_jax` does without

    x, y = np.asarray(x), np.asarray(y)
    _check_shapes("kendall_tau_host", x.shape, y.shape)
    if len(x) < 2 or np.isnan(x).any() or np.isnan(y).any():
        return float("nan")
    result = stats.kendalltau(x, y)
    return float(result.statistic)  # pyright: ignore[reportAttributeAccessIssue]


def spearman(x: Array, y: Array, mask: Array | None = None) -> jax.Array:
    """Spearman's rho: the correlation of ranks, ties with average ranks; jittable.

    Args:
      x: [n] numbers, any n.
      y: [n] numbers.
      mask: [n] bool, entries that count; None for all. The others may hold anything.

    Returns:
      [] float in -1 .. 1, within 1e-5 of `scipy.stats.spearmanr` in float32. NaN if a
      live entry is NaN, if all live entries of x or of y are equal, or if fewer than two
      are live.

    Raises:
      ValueError: for shapes that differ.
    """
    x, y, dead = _pairs("spearman", x, y, mask)
    return _spearman(x, y, dead)


def precision_at_k(scores: Array, truth: Array, k: int) -> jax.Array:
    """Share of the predicted top k that belongs to the true top k; jittable.

    Both tops hold exactly k entries; among equal values the lower index comes first.

    Args:
      scores: [n] predictions, higher is better.
      truth: [n] measured values, higher is better.
      k: static, 1 .. n.

    Returns:
      [] float32 in 0 .. 1; NaN if any score or truth is NaN.

    Raises:
      ValueError: for shapes that differ, and for k outside 1 .. n.
    """
    scores, truth, has_nan = _scored("precision_at_k", scores, truth, k)
    in_true_top = jnp.zeros(truth.shape, bool).at[_top(truth, k)].set(True)
    share = jnp.mean(in_true_top[_top(scores, k)], dtype=jnp.float32)
    return jnp.where(has_nan, jnp.nan, share)


def n_at_k(scores: Array, truth: Array, k: int) -> jax.Array:
    """N@K: the best true rank among the predicted top k (GATES, ECCV 2020); jittable.

    Entries with equal truth share the best of their ranks; among equal scores the lower
    index is predicted to be better.

    Args:
      scores: [n] predictions, higher is better.
      truth: [n] measured values, higher is better.
      k: static, 1 .. n.

    Returns:
      [] float32 holding an integer in 1 .. n - k + 1, 1 where the best entry is among
      the k; NaN if any score or truth is NaN.

    Raises:
      ValueError: for shapes that differ, and for k outside 1 .. n.
    """
    scores, truth, has_nan = _scored("n_at_k", scores, truth, k)
    found = jnp.max(truth[_top(scores, k)])
    rank = 1 + jnp.sum(truth > found, dtype=jnp.int32)
    return jnp.where(has_nan, jnp.nan, rank.astype(jnp.float32))


def regret_at_k(scores: Array, truth: Array, k: int) -> jax.Array:
    """What is lost by measuring only the predicted top k and keeping the best; jittable.

    Args:
      scores: [n] predictions, higher is better; among equal ones the lower index first.
      truth: [n] measured values, higher is better.
      k: static, 1 .. n.

    Returns:
      [] float >= 0 in the unit of `truth`: the best truth minus the best among the k;
      NaN if any score or truth is NaN.

    Raises:
      ValueError: for shapes that differ, and for k outside 1 .. n.
    """
    scores, truth, has_nan = _scored("regret_at_k", scores, truth, k)
    lost = jnp.max(truth) - jnp.max(truth[_top(scores, k)])
    return jnp.where(has_nan, jnp.nan, lost)


def tau_top(scores: np.ndarray, truth: np.ndarray, fraction: float) -> float:
    """Kendall's tau-b among the true best, on the host.

    Args:
      scores: [n] predictions, higher is better.
      truth: [n] measured values, higher is better.
      fraction: in (0, 1]; the round(fraction * n) entries of highest truth count, the
        lower index first among equal truths.

    Returns:
      A float in -1 .. 1; NaN if any score or truth is NaN, if the counted entries are
      constant, or if they are fewer than two.

    Raises:
      ValueError: for shapes that differ, and for a fraction outside (0, 1].
    """
    scores, truth = np.asarray(scores), np.asarray(truth)
    _check_shapes("tau_top", scores.shape, truth.shape)
    if not 0 < fraction <= 1:
        raise ValueError(f"tau_top: expected a fraction in (0, 1], got {fraction}")
    if np.isnan(scores).any() or np.isnan(truth).any():
        return float("nan")
    best = np.argsort(-truth, kind="stable")[: round(fraction * len(truth))]
    return kendall_tau_host(scores[best], truth[best])


@jax.jit
def _kendall_tau(x: jax.Array, y: jax.Array, dead: jax.Array) -> jax.Array:
    size = x.shape[0]
    dtype = jnp.result_type(x, y, jnp.float32)
    if size < 2:
        return jnp.full((), jnp.nan, dtype)
    has_nan = jnp.any((jnp.isnan(x) | jnp.isnan(y)) & ~dead)
    live = jnp.sum(~dead, dtype=jnp.int32)
    # Alike, so that no two dead entries stand in the wrong order.
    x, y = (jnp.where(dead, jnp.zeros_like(z), z) for z in (x, y))
    dead, x, y = lax.sort((dead, x, y), num_keys=3)
    place = jnp.arange(size, dtype=jnp.int32)
    _, y_sorted, order = lax.sort((dead, y, place), num_keys=2, is_stable=True)
    pairs = jnp.where(live % 2, live * ((live - 1) // 2), (live // 2) * (live - 1))
    tied_x = _tied_pairs(_starts(x), dead)
    tied_y = _tied_pairs(_starts(y_sorted), dead)
    tied_both = _tied_pairs(_starts(x) | _starts(y), dead)
    discordant = _inversions(order)
    # Each partial result counts pairs, so that none leaves int32.
    difference = (pairs - tied_x) - (tied_y - tied_both) - discordant - discordant
    tau = _quotient(difference, pairs - tied_x, pairs - tied_y, dtype)
    return jnp.where(has_nan, jnp.nan, tau)


@jax.jit
def _spearman(x: jax.Array, y: jax.Array, dead: jax.Array) -> jax.Array:
    dtype = jnp.result_type(x, y, jnp.float32)
    if x.shape[0] < 2:
        return jnp.full((), jnp.nan, dtype)
    has_nan = jnp.any((jnp.isnan(x) | jnp.isnan(y)) & ~dead)
    x_rank = _centred_ranks(x, dead, dtype)
    y_rank = _centred_ranks(y, dead, dtype)
    covariance = _sum(x_rank * y_rank)
    scale = jnp.sqrt(_sum(x_rank * x_rank)) * jnp.sqrt(_sum(y_rank * y_rank))
    rho = jnp.clip(covariance / scale, -1, 1)
    return jnp.where(has_nan | (scale == 0), jnp.nan, rho)


def _inversions(order_n: jax.Array) -> jax.Array:
    """Pairs that stand in the wrong order in a permutation of 0 .. n - 1.

    A merge sort from its last merge down to its first: entries are split by the highest
    bit of their value, then each part by the next one. In a permutation padded to a
    power of two every part is full, hence its place is known and half of it are ones:
    one running sum a bit replaces all comparisons.
    """
    bits = max(order_n.shape[0] - 1, 1).bit_length()
    index = jnp.arange(1 << bits, dtype=jnp.int32)
    padded = jnp.concatenate([order_n, index[order_n.shape[0] :]])

    def split(step, carry):
        values, count = carry
        half = 1 << (bits - 1 - step)
        part = index & ~(2 * half - 1)
        bit = (values & half) != 0
        ones = jnp.cumsum(bit, dtype=jnp.int32) - bit - part // 2
        zeros = index - part - ones
        count += jnp.sum(jnp.where(bit, 0, ones), dtype=jnp.int32)
        target = part + jnp.where(bit, half + ones, zeros)
        return values.at[target].set(values, unique_indices=True), count

    return lax.fori_loop(0, bits, split, (padded, jnp.int32(0)))[1]


def _starts(values: jax.Array) -> jax.Array:
    """[n] bool: where a run of equal values starts."""
    return jnp.concatenate([jnp.ones(1, bool), values[1:] != values[:-1]])


def _tied_pairs(starts: jax.Array, dead: jax.Array) -> jax.Array:
    """Pairs of live entries within one run; dead entries stand last."""
    index = jnp.arange(starts.shape[0], dtype=jnp.int32)
    first = lax.cummax(jnp.where(starts, index, 0))
    return jnp.sum(jnp.where(dead, 0, index - first), dtype=jnp.int32)


def _quotient(difference, pairs_x, pairs_y, dtype) -> jax.Array:
    """difference / sqrt(pairs_x pairs_y), exactly +-1 for perfect agreement."""
    top, x, y = (count.astype(dtype) for count in (difference, pairs_x, pairs_y))
    scale = jnp.where(pairs_x == pairs_y, x, jnp.sqrt(x) * jnp.sqrt(y))
    return jnp.where(scale > 0, jnp.clip(top / scale, -1, 1), jnp.nan)


def _centred_ranks(values: jax.Array, dead: jax.Array, dtype) -> jax.Array:
    """[n] average ranks minus their mean, 0 for dead entries."""
    index = jnp.arange(values.shape[0], dtype=jnp.int32)
    dead_sorted, ordered, place = lax.sort((dead, values, index), num_keys=2)
    # A dead entry may equal the last live one: a run ends there, too.
    starts = _starts(ordered) | _starts(dead_sorted)
    first = lax.cummax(jnp.where(starts, index, 0))
    ends = jnp.concatenate([starts[1:], jnp.ones(1, bool)])
    last = lax.cummin(jnp.where(ends, index, index[-1]), reverse=True)
    live = jnp.sum(~dead, dtype=jnp.int32)
    doubled = jnp.where(dead_sorted, 0, first + last - (live - 1))
    ranks = jnp.zeros(values.shape, dtype).at[place].set(doubled.astype(dtype) / 2)
    return ranks / jnp.maximum(live, 1).astype(dtype)


def _sum(values: jax.Array) -> jax.Array:
    """Sum in two stages: the rounding error grows with sqrt(n) instead of n."""
    blocks = jnp.pad(values, (0, -values.shape[0] % _SUM_BLOCK))
    return jnp.sum(jnp.sum(blocks.reshape(-1, _SUM_BLOCK), axis=1))


def _pairs(name: str, x: Array, y: Array, mask: Array | None):
    """The checked inputs as arrays, and [n] bool: the entries that do not count."""
    x, y = _as_jax(x), _as_jax(y)
    _check_shapes(name, x.shape, y.shape)
    if mask is None:
        return x, y, jnp.zeros(x.shape, bool)
    mask = jnp.asarray(mask)
    if mask.shape != x.shape or mask.dtype != jnp.bool_:
        raise ValueError(
            f"{name}: expected a bool mask of shape {x.shape}, "
            f"got {mask.dtype} of shape {mask.shape}"
        )
    return x, y, ~mask


def _scored(name: str, scores: Array, truth: Array, k: int):
    """The checked inputs as arrays, and [] bool: whether any entry is NaN."""
    scores, truth = _as_jax(scores), _as_jax(truth)
    _check_shapes(name, scores.shape, truth.shape)
    if not 1 <= k <= scores.shape[0]:
        raise ValueError(f"{name}: expected k in 1 .. {scores.shape[0]}, got {k}")
    return scores, truth, jnp.any(jnp.isnan(scores) | jnp.isnan(truth))


def _as_jax(values: Array) -> jax.Array:
    """An array of JAX. Integers that it has no room for, such as FLOPs, become floats:
    they would wrap around."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu" and values.size:
        room = jnp.iinfo(jax.dtypes.canonicalize_dtype(values.dtype))
        if values.min() < room.min or values.max() > room.max:
            values = values.astype(np.float32)
    return jnp.asarray(values)


def _top(values: jax.Array, k: int) -> jax.Array:
    """[k] indices of the highest values, the lower index first among equal ones."""
    # top_k alone would place 0. above -0.
    return lax.top_k(jnp.where(values == 0, 0, values), k)[1]


def _check_shapes(name: str, first: tuple, second: tuple) -> None:
    if len(first) != 1 or first != second:
        raise ValueError(
            f"{name}: expected two arrays of one shape [n], got {first} and {second}"
        )
