"""Drawings of architectures.

    picture = drawing.of_architecture(space, space.parse(text))
    Path("cell.svg").write_bytes(drawing.file_of(picture, "svg"))

A picture is plain numbers in inches, computed without matplotlib; `figure` and `file_of`
draw it with matplotlib (the extra `plots`).
"""

from tnasp_jax.drawing import cells, chains
from tnasp_jax.drawing.picture import Box, Curve, Note, Picture
from tnasp_jax.drawing.render import FORMATS, figure, file_of
from tnasp_jax.spaces.base import Architecture, Space
from tnasp_jax.spaces.chain import ChainSpace

__all__ = [
    "FORMATS",
    "Box",
    "Curve",
    "Note",
    "Picture",
    "figure",
    "file_of",
    "of_architecture",
]

_CELLS = {
    "nasbench101": cells.of_nasbench101,
    "nasbench201": cells.of_nasbench201,
    "darts": cells.of_darts,
    "custom": cells.of_custom,
}


def of_architecture(space: Space, architecture: Architecture) -> Picture:
    """The picture of an architecture as its space's `parse` returns it.

    Raises:
      ValueError: for a space that has no drawing.
    """
    if isinstance(space, ChainSpace):
        return chains.of_chain(space, architecture)
    if space.name not in _CELLS:
        raise ValueError(f"{space.name}: there is no drawing of this space")
    return _CELLS[space.name](architecture)
