"""Chains as pictures: a box a layer, as high as its kernel, as dark as its expansion.

Rows are read from left to right and hold whole stages.
"""

from typing import NamedTuple

from tnasp_jax.drawing import colours
from tnasp_jax.drawing.picture import (
    LINE_HEIGHT,
    MARGIN,
    Box,
    Note,
    Picture,
)
from tnasp_jax.spaces.base import Architecture
from tnasp_jax.spaces.chain import NOTHING, ChainSpace
from tnasp_jax.spaces.chain_network import Block

WIDTH = 7.0
"""Of a row at most, inches: that of a page's text."""

_BOX, _BETWEEN, _STAGES = 0.5, 0.05, 0.16
_POINT_OF_KERNEL = 0.1  # Inches of height for each point of a kernel's side.
_TIMES = "\N{MULTIPLICATION SIGN}"


class Layer(NamedTuple):
    """What one box shows."""

    name: str
    lines: tuple[str, ...]
    kernel: int
    colour: str
    live: bool = True


class Group(NamedTuple):
    """The layers of one stage and what stands under them."""

    layers: tuple[Layer, ...]
    under: tuple[str, ...]

    @property
    def width(self) -> float:
        """Inches."""
        return len(self.layers) * (_BOX + _BETWEEN) - _BETWEEN


def of_chain(space: ChainSpace, architecture: Architecture) -> Picture:
    """A chain with its stem and head; places that are left out are pale.

    Args:
      space: of the chain.
      architecture: as its `parse` returns it.
    """
    rows = _rows(groups_of(space, architecture))
    below = 3 * LINE_HEIGHT + 0.12
    high = _POINT_OF_KERNEL * max(
        layer.kernel for groups in rows for group in groups for layer in group.layers
    )
    boxes: list[Box] = []
    notes: list[Note] = []
    for row, groups in enumerate(rows):
        floor = MARGIN + high + row * (high + below)
        left = MARGIN
        for group in groups:
            middle = left + group.width / 2
            for at, text in enumerate(group.under):
                notes.append(Note(text, middle, floor + LINE_HEIGHT * (at + 0.8)))
            for layer in group.layers:
                height = layer.kernel * _POINT_OF_KERNEL
                boxes.append(
                    Box(
                        layer.name,
                        layer.lines,
                        left + _BOX / 2,
                        floor - height / 2,
                        _BOX,
                        height,
                        colour=layer.colour,
                        live=layer.live,
                    )
                )
                left += _BOX + _BETWEEN
            left += _STAGES - _BETWEEN
    width = max(box.x + box.width / 2 for box in boxes) + MARGIN
    height = 2 * MARGIN + len(rows) * (high + below)
    return Picture(width, height, tuple(boxes), (), tuple(notes))


def groups_of(space: ChainSpace, architecture: Architecture) -> list[Group]:
    """Stem, stages and head of a chain with widths in channels and sides in points."""
    layout = space.layout([architecture])
    multiplier = space.multipliers[int(layout.multiplier[0])]
    skeleton = space.skeleton.widened(multiplier)
    side = -(-int(layout.resolution[0]) // skeleton.stem_stride)
    stem = [Layer("stem", ("stem", f"3{_TIMES}3"), 3, colours.ENDS)]
    groups = [Group(tuple(stem), _under(skeleton.stem, skeleton.stem_stride, side))]
    if skeleton.first:
        fixed = _layer(Block(3, 1), False)
        groups.append(Group((fixed,), _under(skeleton.first, 1, side)))
    place = 0
    for stage in skeleton.stages:
        found = layout.blocks[0, place : place + stage.depth]
        place += stage.depth
        layers = tuple(
            _layer(space.blocks[int(block)], stage.se)
            for block in found
            if block != NOTHING
        )
        side = -(-side // stage.stride)
        groups.append(Group(layers, _under(stage.width, stage.stride, side)))
    head = Layer("head", ("head", f"1{_TIMES}1"), 3, colours.ENDS)
    groups.append(Group((head,), (f"{skeleton.mixed or skeleton.head} ch",)))
    return groups


def _layer(block: Block, se: bool) -> Layer:
    if not block.expansion:
        return Layer(block.name, ("skip",), 2, "white", False)
    lines = (f"{block.kernel}{_TIMES}{block.kernel}", f"e{block.expansion}")
    if se or block.se:
        lines = (lines[0], f"{lines[1]} SE")
    return Layer(block.name, lines, block.kernel, colours.EXPANSIONS[block.expansion])


def _under(width: int, stride: int, side: int) -> tuple[str, ...]:
    return f"{width} ch", f"stride {stride}", f"{side}{_TIMES}{side}"


def _rows(groups: list[Group]) -> list[list[Group]]:
    """As few rows as hold the groups, of about one width."""
    rows = _packed(groups, WIDTH)
    width = WIDTH
    while width > 1 and len(_packed(groups, width - 0.1)) == len(rows):
        width -= 0.1
    return _packed(groups, width)


def _packed(groups: list[Group], width: float) -> list[list[Group]]:
    rows: list[list[Group]] = [[]]
    used = 0.0
    for group in groups:
        if rows[-1] and used + group.width > width:
            rows.append([])
            used = 0.0
        rows[-1].append(group)
        used += group.width + _STAGES
    return rows
