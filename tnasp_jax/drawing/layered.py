"""Layered layout of a graph: every edge leads downward, with few crossings.

The steps of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical
System Structures", 1981: layers by longest path, a slot of its own for an edge in every
layer that it passes, an order within layers, then coordinates. Letters: V nodes, slots
are nodes and the places where edges pass.
"""

import itertools
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tnasp_jax.drawing import crossings, straighten

GAP = 0.22
"""Between two layers, inches; edges bend there and nowhere else."""

PORTS = 0.1
"""Between two edges that leave or enter one box, inches, where it is wide enough."""

PASSING = 0.03
"""Width of the place where an edge passes a layer, inches."""

MOST_LABELS = 3
"""Floating nodes in a layer, as far as that can be had by moving nodes down."""

Edge = tuple[int, int]


class Layout(NamedTuple):
    """Where everything stands, inches, from the upper left corner of what is drawn.

    Attributes:
      centres: V points (x, y).
      routes: the stops (x, y) of each edge, from the lower edge of its source's box to
        the upper edge of its target's.
      width: of all boxes and routes,
      height: and of their layers.
    """

    centres: tuple[tuple[float, float], ...]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float


def layout(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[Edge],
    floating: Collection[int] = (),
    top: Collection[int] = (0,),
    last: int | None = None,
) -> Layout:
    """Places boxes so that none overlaps another one, nor an edge that is not its own.

    Args:
      sizes: V pairs (width, height), inches.
      edges: pairs (i, j) of nodes, without cycles.
      floating: nodes with one predecessor and one successor that may stand in any layer
        between them, such as the labels of edges.
      top: nodes that stand in the first layer.
      last: the node that stands in the last layer; None for none in particular.

    Returns:
      The layout, a function of the arguments alone.
    """
    levels = layers_of(len(sizes), edges, floating, top, last)
    slots = list(levels)
    chains = [_chain(slots, levels, edge) for edge in edges]
    segments = [pair for chain in chains for pair in itertools.pairwise(chain)]
    rows = crossings.ordered(slots, segments)
    widths = [width for width, _ in sizes] + [PASSING] * (len(slots) - len(sizes))
    x = straighten.coordinates(rows, segments, widths, len(sizes))
    left = min(x[slot] - widths[slot] / 2 for slot in range(len(slots)))
    right = max(x[slot] + widths[slot] / 2 for slot in range(len(slots)))
    x = [at - left for at in x]
    bands = _bands(rows, sizes)
    centres = [(x[v], sum(bands[levels[v]]) / 2) for v in range(len(sizes))]
    ports = _ports(segments, x, sizes)
    routes = []
    for chain in chains:
        pairs = list(itertools.pairwise(chain))
        routes.append(_route(pairs, slots, bands, ports, x, centres, sizes))
    return Layout(tuple(centres), tuple(routes), right - left, bands[-1][1])


def layers_of(
    count: int,
    edges: Sequence[Edge],
    floating: Collection[int] = (),
    top: Collection[int] = (0,),
    last: int | None = None,
) -> list[int]:
    """The layer of each node: the longest path that leads to it.

    A node without predecessor stands right above its first successor, those of `top` in
    layer 0 and `last` in the last one. Floating nodes stand where the fewest others do;
    where they still crowd a layer, the nodes that they lead to move down.
    """
    floors = [int(node not in top) for node in range(count)]
    while True:
        levels = _longest(floors, edges, top, last)
        crowd = _float(levels, edges, floating)
        into = [j for i, j in edges if i in crowd]
        if len(crowd) <= MOST_LABELS or min(into) == max(into):
            return levels
        lowest = max(into, key=lambda node: (levels[node], node))
        floors[lowest] = levels[lowest] + 1


def _longest(
    floors: Sequence[int], edges: Sequence[Edge], top: Collection[int], last: int | None
) -> list[int]:
    levels = list(floors)
    for _ in floors:
        for i, j in edges:
            levels[j] = max(levels[j], levels[i] + 1)
    entered = {j for _, j in edges}
    for node in set(range(len(floors))) - entered - set(top):
        below = [levels[j] for i, j in edges if i == node]
        levels[node] = min(below) - 1 if below else 1
    if last is not None:
        levels[last] = max(levels)
    return levels


def _float(
    levels: list[int], edges: Sequence[Edge], floating: Collection[int]
) -> list[int]:
    """Moves floating nodes to where few others stand; those of the fullest layer."""
    above = {j: levels[i] for i, j in edges if j in floating}
    below = {i: levels[j] for i, j in edges if i in floating}
    taken = [0] * (max(levels) + 1)
    for node, level in enumerate(levels):
        taken[level] += node not in floating
    rows: dict[int, list[int]] = {}
    for node in sorted(floating, key=lambda node: below[node] - above[node]):
        choices = range(above[node] + 1, below[node])
        level = min(choices, key=lambda level: (taken[level], level))
        levels[node] = level
        taken[level] += 1
        rows.setdefault(level, []).append(node)
    return max(rows.values(), key=len, default=[])


def _chain(slots: list[int], levels: Sequence[int], edge: Edge) -> list[int]:
    """The slots along an edge; adds those that it passes to `slots`."""
    i, j = edge
    chain = [i]
    for level in range(levels[i] + 1, levels[j]):
        chain.append(len(slots))
        slots.append(level)
    return [*chain, j]


def _bands(
    rows: Sequence[Sequence[int]], sizes: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Upper and lower end of each layer."""
    bands, top = [], 0.0
    for row in rows:
        height = max((sizes[slot][1] for slot in row if slot < len(sizes)), default=0)
        bands.append((top, top + height))
        top += height + GAP
    return bands


def _ports(
    segments: Sequence[Edge],
    x: Sequence[float],
    sizes: Sequence[tuple[float, float]],
) -> dict[tuple[int, Edge], float]:
    """Where a segment (i, j) touches node i or j, by (node, segment)."""
    ports = {}
    for end in (0, 1):
        touching: dict[int, list[Edge]] = {}
        for segment in segments:
            if segment[end] < len(sizes):
                touching.setdefault(segment[end], []).append(segment)
        for node, found in touching.items():
            found = sorted(found, key=lambda pair: (x[pair[1 - end]], pair))
            room = max(sizes[node][0] - 0.1, 0)
            step = min(PORTS, room / max(len(found) - 1, 1))
            for at, segment in enumerate(found):
                shift = step * (at - (len(found) - 1) / 2)
                ports[node, segment] = x[node] + shift
    return ports


def _route(pairs, slots, bands, ports, x, centres, sizes):
    """The stops of one edge; it crosses layers upright."""
    (first, _), (_, last) = pairs[0], pairs[-1]
    start = ports[first, pairs[0]]
    stops = [(start, centres[first][1] + sizes[first][1] / 2)]
    for pair in pairs:
        i, j = pair
        leave = start if i == first else x[i]
        enter = ports[last, pair] if j == last else x[j]
        stops.append((leave, bands[slots[i]][1]))
        stops.append((enter, bands[slots[j]][0]))
    stops.append((stops[-1][0], centres[last][1] - sizes[last][1] / 2))
    return tuple(dict.fromkeys(stops))
