"""Genotypes of the DARTS space: two cells, their texts, their canonical form.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019. A cell has
the inputs 0 and 1, the outputs of the cell before the last and of the last one, and
four nodes, 2 to 5. A node adds up two operations, each on an earlier node or an input,
never both on the same. The cell's output concatenates the four nodes.
"""

import ast
import dataclasses
import difflib
import itertools
import re
from typing import Any

from tnasp_jax.spaces.reading import short, shortened

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""In the order of DARTS and NAS-Bench-301."""

NONE = "none"
"""The eighth: an edge that adds nothing. DARTS weighs it in the search and never keeps it,
but networks of DARTS-Bench were trained with it."""

NUM_INPUTS, NUM_NODES, EDGES_PER_NODE = 2, 4, 2
NUM_EDGES = NUM_NODES * EDGES_PER_NODE
CELLS = ("normal", "reduce")

Edge = tuple[str, int]
"""An operation's name, and the input or node that it is applied to."""

Cell = tuple[Edge, ...]
"""Eight edges, two for each node, in the order of the nodes."""

_CONCAT = "range(2, 6)"
_CONCATS = (_CONCAT, "[2, 3, 4, 5]", "(2, 3, 4, 5)")
_EXAMPLE = "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), ...)"
_LONGEST = 4000  # Characters; a genotype has about 700.


@dataclasses.dataclass(frozen=True)
class Genotype:
    """The two cells of an architecture, checked when it is made.

    The edges keep the order in which they were given, so that the text survives.

    Attributes:
      normal: the cell that keeps the image's size; eight (operation, input) pairs.
      reduce: the cell that halves it.

    Raises:
      ValueError: one sentence that names cell, node and edge.
    """

    normal: Cell
    reduce: Cell

    def __post_init__(self):
        for name in CELLS:
            object.__setattr__(self, name, _checked_cell(name, getattr(self, name)))

    @property
    def cells(self) -> tuple[Cell, Cell]:
        """The normal cell and the reduction cell."""
        return self.normal, self.reduce


def node_of(edge: int) -> int:
    """The node, 2 to 5, that an edge of a cell, 0 to 7, leads into."""
    return NUM_INPUTS + edge // EDGES_PER_NODE


def nodes(cell: Cell) -> list[Cell]:
    """The two edges of each of the four nodes."""
    return [cell[at : at + EDGES_PER_NODE] for at in range(0, NUM_EDGES, 2)]


def canonical(genotype: Genotype) -> Genotype:
    """The one genotype that stands for all that compute the same function.

    The two edges of a node are a set, and the nodes may be renumbered wherever every
    edge still leads forward: the concatenated channels change places, which the
    network's weights follow. Of all these the smallest is taken.
    """
    return Genotype(*map(_canonical_cell, genotype.cells))


def read(text: str) -> Genotype:
    """Reads a genotype in one of three forms.

    1. `Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), ...)`, as
       DARTS prints it, also after `NAME = `; the concatenations may be lists or left
       out.
    2. 16 edges `operation:input`, those of the normal cell first.
    3. 16 edges `input:number`, the number an index into `OPERATIONS`.

    Edges stand between blanks, commas or bars.

    Raises:
      ValueError: one sentence.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise error(f"expected {_EXAMPLE}, got {len(text)} characters")
    if "Genotype" in text or "(" in text:
        return _read_call(text)
    return _read_edges(text)


def write(genotype: Genotype) -> str:
    """The first form, in one line as Python prints the named tuple."""
    cells = ", ".join(
        f"{name}={list(cell)!r}, {name}_concat={_CONCAT}"
        for name, cell in zip(CELLS, genotype.cells, strict=True)
    )
    return f"Genotype({cells})"


def error(sentence: str) -> ValueError:
    """The ValueError of a genotype: the space's name, then the sentence."""
    return ValueError(f"darts: {sentence}")


def _canonical_cell(cell: Cell) -> Cell:
    given = nodes(cell)
    found = []
    for order in itertools.permutations(range(NUM_NODES)):
        places = [0, 1, *(NUM_INPUTS + order.index(node) for node in range(NUM_NODES))]
        moved = [sorted((places[at], op) for op, at in given[node]) for node in order]
        if all(edges[-1][0] < node for node, edges in enumerate(moved, NUM_INPUTS)):
            found.append(moved)
    return tuple((op, at) for edges in min(found) for at, op in edges)


def _checked_cell(name: str, cell: Any) -> Cell:
    """The cell as tuples, if it is one."""
    if not isinstance(cell, list | tuple) or len(cell) != NUM_EDGES:
        raise error(
            f"{name}: expected {NUM_EDGES} edges (operation, input), two for each of "
            f"the {NUM_NODES} nodes, got "
            f"{len(cell) if isinstance(cell, list | tuple) else short(cell)}"
        )
    edges = tuple(_checked_edge(name, place, edge) for place, edge in enumerate(cell))
    for node, ((_, first), (_, second)) in enumerate(nodes(edges), NUM_INPUTS):
        if first == second:
            raise error(
                f"{name}: node {node}: expected two different inputs, "
                f"got {first} for both edges"
            )
    return edges


def _checked_edge(name: str, place: int, edge: Any) -> Edge:
    node = node_of(place)
    where = f"{name}: edge {place} into node {node}"
    if not isinstance(edge, list | tuple) or len(edge) != 2:
        raise error(f"{where}: expected (operation, input), got {short(edge)}")
    op, source = edge
    known = (NONE, *OPERATIONS)
    if op not in known:
        near = difflib.get_close_matches(str(op), known, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {known}"
        raise error(f"{where}: unknown operation {short(op)}; {hint}")
    if type(source) is not int or not 0 <= source < node:
        raise error(
            f"{where}: expected an input in 0 .. {node - 1}, got {short(source)}"
        )
    return op, source


def _read_call(text: str) -> Genotype:
    """Form 1, by Python's own parser; nothing is evaluated."""
    try:
        call = ast.parse(re.sub(r"^\w+\s*=\s*", "", text), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        call = None
    if (
        not isinstance(call, ast.Call)
        or call.args
        or not ast.unparse(call.func).endswith("Genotype")
    ):
        raise error(f"expected {_EXAMPLE}, got {short(text)}")
    fields = {keyword.arg: keyword.value for keyword in call.keywords}
    known = [f"{name}{end}" for name in CELLS for end in ("", "_concat")]
    for field in fields:
        if field not in known:
            raise error(f"unknown field {field!r}; expected {', '.join(known)}")
    for name in CELLS:
        if name not in fields:
            raise error(f"field {name!r} is missing; expected {_EXAMPLE}")
        concat = fields.get(f"{name}_concat")
        if concat is not None and ast.unparse(concat) not in _CONCATS:
            raise error(
                f"{name}_concat: expected {_CONCAT}, all four nodes, "
                f"got {shortened(ast.unparse(concat))}"
            )
    return Genotype(*(_literal(name, fields[name]) for name in CELLS))


def _literal(name: str, node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise error(
            f"{name}: expected a list of (operation, input), got {shortened(ast.unparse(node))}"
        ) from None


def _read_edges(text: str) -> Genotype:
    """Forms 2 and 3."""
    parts = re.split(r"[\s,|]+", text)
    if len(parts) != 2 * NUM_EDGES or not all(":" in part for part in parts):
        raise error(
            f"expected {_EXAMPLE} or {2 * NUM_EDGES} edges like sep_conv_3x3:0, "
            f"got {short(text)}"
        )
    numbered = parts[0].split(":")[0].isdecimal()
    edges = [_read_edge(part, place, numbered) for place, part in enumerate(parts)]
    return Genotype(tuple(edges[:NUM_EDGES]), tuple(edges[NUM_EDGES:]))


def _read_edge(part: str, place: int, numbered: bool) -> Edge:
    """An edge whose operation and input are still to be checked."""
    cell, at = divmod(place, NUM_EDGES)
    where = f"{CELLS[cell]}: edge {at} into node {node_of(at)}"
    form = "input:operation number" if numbered else "operation:input"
    first, second = part.split(":", 1)
    op, source = (second, first) if numbered else (first, second)
    if not re.fullmatch(r"-?\d{1,9}", source):
        raise error(f"{where}: expected {form}, got {short(part)}")
    if not numbered:
        return op, int(source)
    if not re.fullmatch(r"\d", op) or int(op) >= len(OPERATIONS):
        raise error(
            f"{where}: expected an operation number in 0 .. {len(OPERATIONS) - 1}, "
            f"got {short(op)}"
        )
    return OPERATIONS[int(op)], int(source)
