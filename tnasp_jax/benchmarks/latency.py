"""Latency look-up tables: milliseconds of mobile blocks, measured one by one on a device.

A network's latency is the sum over its layers. Three tables: the Pixel phone of
ProxylessNAS (Cai et al., ICLR 2019), the Samsung Note10 of Once-for-All (Cai et al., ICLR
2020) and the i7-8700K of NSGANetV2 (Lu et al., ECCV 2020). Each csv has the columns `op`,
a layer's name with its shapes as the authors wrote it, and `mean_ms`.

    table = latency.read("ofa_note10", data_dir)
    milliseconds = jax.jit(latency.of_space(table, space))(graphs)  # [B]

The rules. *Between* two sides of images that a table has, a network's latency is the
straight line between its latencies at both; *beyond* the smallest or largest it is NaN.
*Missing*: a network with a layer that the table lacks has latency NaN, never the sum of
the others. A table without poolings counts none.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax import cost
from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.graphs import Graphs, check_shapes, is_valid
from tnasp_jax.names import unknown
from tnasp_jax.spaces import chain_network
from tnasp_jax.spaces.chain import ChainSpace
from tnasp_jax.spaces.chain_network import Block, Skeleton

FOLDER = "mobile_latency_luts"

Layer = tuple
"""("stem", size, channels), ("block", in size, in channels, out size, out channels,
inner channels, kernel, se), ("head", size, in channels, out channels), ("pool", size,
channels), ("mixed", in channels, out channels) or ("classifier", in channels)."""


class _Source(NamedTuple):
    files: tuple[str, ...]
    rows: int  # Of each file.
    describe: str


_SOURCES = {
    "proxyless_pixel": _Source(
        ("proxylessnas_mobile_trim.csv",),
        72,
        "milliseconds on a Google Pixel phone; ProxylessNAS (Cai et al., ICLR 2019)",
    ),
    "ofa_note10": _Source(
        tuple(f"ofa_note10_{size}.csv" for size in (160, 176, 192, 208, 224)),
        96,
        "milliseconds on a Samsung Note10; OFA (Cai et al., ICLR 2020)",
    ),
    "nsganetv2_i7": _Source(
        ("nsganetv2_i7_8700K.csv",),
        4_050,
        "milliseconds on an Intel i7-8700K; NSGANetV2 (Lu et al., ECCV 2020)",
    ),
}
NAMES = tuple(_SOURCES)
DESCRIBE = {name: source.describe for name, source in _SOURCES.items()}

_KINDS = {
    "Conv": "stem",
    "first_conv": "stem",
    "expanded_conv": "block",
    "MBConv": "block",
    "Conv_1": "head",
    "final_expand_layer": "head",
    "AvgPool2D": "pool",
    "Conv_2": "mixed",
    "feature_mix_layer": "mixed",
    "Logits": "classifier",
    "classifier": "classifier",
}
_SHAPES = re.compile(r"(\w+)-input:([\dx]+)-output:([\dx]+)(.*)")


class LatencyTable(NamedTuple):
    """What was measured on a device.

    Attributes:
      name: one of `NAMES`.
      milliseconds: side of an image, in points -> layer -> mean latency.
      describe: unit, device and origin, for people.
      sha256: of the data files, one after the other, hexadecimal.
    """

    name: str
    milliseconds: Mapping[int, Mapping[Layer, float]]
    describe: str
    sha256: str


def read(name: str, data_dir: str | Path | None = None) -> LatencyTable:
    """Reads a table.

    Args:
      name: one of `NAMES`.
      data_dir: folder that holds mobile_latency_luts/ with its files, or the files; None
        for the working directory.

    Raises:
      MissingData: if a file is not there.
      ValueError: for an unknown name, and for a damaged file, naming the row.
    """
    if name not in _SOURCES:
        raise ValueError(unknown("latency table", name, NAMES))
    source = _SOURCES[name]
    milliseconds: dict[int, Mapping[Layer, float]] = {}
    everything = b""
    for file in source.files:
        path = table_lib.locate(data_dir, FOLDER, file)
        data = table_lib.read_file(
            path,
            f"make the file {file} from the authors' yaml as docs/chains.md tells",
        )
        everything += data
        found = _read_layers(path, data, source.rows)
        milliseconds |= {layer[1]: found for layer in found if layer[0] == "stem"}
    ordered = dict(sorted(milliseconds.items()))
    return LatencyTable(name, ordered, source.describe, table_lib.sha256(everything))


def of_space(table: LatencyTable, space: ChainSpace) -> Callable[[Graphs], jax.Array]:
    """The latency of a space's networks on the device of a table.

    Returns:
      `latency(graphs [B, N]) -> [B]` float32, milliseconds; a pure, jittable function.
      NaN where the table lacks a layer, beyond its sides of images, and for invalid
      graphs.

    Raises:
      ValueError: if the table is complete for no network of the space.
    """
    skeletons = [space.skeleton.widened(times) for times in space.multipliers]
    sizes = np.array(list(table.milliseconds), np.int32)
    ends, blocks = (
        np.array(
            [
                [
                    find(layers, skeleton, size)
                    for size, layers in table.milliseconds.items()
                ]
                for skeleton in skeletons
            ],
            np.float32,
        )
        for find in (_ends, functools.partial(_blocks, space.blocks))
    )  # [W, T], and [W, T, S, 2, K] with the first blocks of a stage before the others
    first = np.isfinite(blocks[:, :, :, 0]).any(axis=-1).all(axis=-1)
    if not np.any(first & np.isfinite(ends)):
        raise ValueError(
            f"latency table {table.name}: complete for no network of the space "
            f"{space.name}; it was measured for other widths or layers"
        )

    def at(nodes: chain_network.Nodes, index: jax.Array) -> jax.Array:
        """[B] at the side of an image with this index [B]."""
        stage = jnp.minimum(nodes.stage, blocks.shape[2] - 1)
        later = (nodes.place > 0).astype(int)
        times = jnp.asarray(blocks)[
            nodes.multiplier[:, None], index[:, None], stage, later, nodes.block
        ]
        there = jnp.where(nodes.block >= 0, times, 0.0)
        return jnp.asarray(ends)[nodes.multiplier, index] + jnp.sum(there, axis=1)

    def latency(graphs: Graphs) -> jax.Array:
        check_shapes(graphs, space.num_nodes)
        nodes = chain_network.nodes(space.vocabulary, graphs)
        lower, upper, share = _neighbours(sizes, nodes.resolution)
        found = (1 - share) * at(nodes, lower) + share * at(nodes, upper)
        return jnp.where(is_valid(graphs, len(space.ops)), found, jnp.nan)

    return latency


def _neighbours(
    sizes: np.ndarray, resolution: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The sizes below and above, equal where one is hit, and the share of the upper.

    Args:
      sizes: [T] int, ascending.
      resolution: [B] int.

    Returns:
      Two indices [B], and a share [B], NaN outside of the sizes.
    """
    known = jnp.asarray(sizes)
    upper = jnp.minimum(jnp.searchsorted(known, resolution), len(sizes) - 1)
    hit = known[upper] == resolution
    lower = jnp.where(hit, upper, jnp.maximum(upper - 1, 0))
    low, high = known[lower], known[upper]
    share = (resolution - low) / jnp.maximum(high - low, 1)
    inside = (resolution >= sizes[0]) & (resolution <= sizes[-1])
    return lower, upper, jnp.where(inside, share, jnp.nan)


def _read_layers(path: Path, data: bytes, rows: int) -> dict[Layer, float]:
    columns = table_lib.read_csv(path, data, ["op", "mean_ms"], rows)
    found: dict[Layer, float] = {}
    for row, (op, mean) in enumerate(
        zip(columns["op"], columns["mean_ms"], strict=True)
    ):
        layer, value = _layer(op), _milliseconds(mean)
        if layer is None or value is None or layer in found:
            raise ValueError(
                f"{path}: row {row}: expected another layer and its mean in "
                f"milliseconds, got {op!r} and {mean!r}"
            )
        found[layer] = value
    return found


def _layer(op: str) -> Layer | None:
    """The layer of an authors' name; None if it is none."""
    match = _SHAPES.fullmatch(op)
    kind = _KINDS.get(match[1]) if match else None
    if match is None or kind is None:
        return None
    into, out = (
        tuple(int(side) for side in shape.split("x") if side)
        for shape in match.group(2, 3)
    )
    if kind == "classifier":
        return kind, into[-1]
    if len(into) != 3 or len(out) != 3:
        return None
    if kind == "mixed":
        return kind, into[-1], out[-1]
    if kind == "stem":
        return kind, into[0], out[-1]
    if kind == "head":
        return kind, into[0], into[-1], out[-1]
    if kind == "pool":
        return kind, into[0], into[-1]
    more = dict(re.findall(r"-([a-z]+):(\d+)", match[4]))
    if "expand" not in more or "kernel" not in more:
        return None
    # Some tables name the expansion, others the inner channels, which are at least 16.
    expand = int(more["expand"])
    inner = expand * into[-1] if expand < 16 else expand
    kernel, se = int(more["kernel"]), more.get("se") == "1"
    return kind, into[0], into[-1], out[0], out[-1], inner, kernel, se


def _milliseconds(field: str) -> float | None:
    try:
        value = float(field)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _time(layers: Mapping[Layer, float], layer: Layer) -> float:
    return layers.get(layer, float("nan"))


def _ends(layers: Mapping[Layer, float], skeleton: Skeleton, size: int) -> float:
    """Milliseconds of the stem and the head, for an image of this side."""
    stem, first, head = skeleton.stem, skeleton.first, skeleton.head
    last = int(cost.halved(size, skeleton.halvings[-1]))
    half = int(cost.halved(size, 1))
    needed: list[Layer] = [
        ("stem", size, stem),
        ("head", last, skeleton.stages[-1].width, head),
        ("classifier", skeleton.mixed or head),
    ]
    if first:
        needed.append(("block", half, stem, half, first, stem, 3, False))
    if skeleton.mixed:
        needed.append(("mixed", head, skeleton.mixed))
    if any(layer[0] == "pool" for layer in layers):
        needed.append(("pool", last, head))
    return sum(_time(layers, layer) for layer in needed)


def _blocks(
    blocks: Sequence[Block],
    layers: Mapping[Layer, float],
    skeleton: Skeleton,
    size: int,
) -> np.ndarray:
    """[S, 2, K] milliseconds of each block as the first of a stage and as a later one."""
    halvings = skeleton.halvings
    times = np.zeros((len(skeleton.stages), 2, len(blocks)))
    before = skeleton.first or skeleton.stem
    for number, stage in enumerate(skeleton.stages):
        out_size = int(cost.halved(size, halvings[number + 1]))
        for later in (0, 1):
            channels = stage.width if later else before
            in_size = int(cost.halved(size, halvings[number + later]))
            for index, block in enumerate(blocks):
                if not block.expansion:
                    continue
                layer = (
                    "block",
                    in_size,
                    channels,
                    out_size,
                    stage.width,
                    block.expansion * channels,
                    block.kernel,
                    block.se or stage.se,
                )
                times[number, later, index] = _time(layers, layer)
        before = stage.width
    return times
