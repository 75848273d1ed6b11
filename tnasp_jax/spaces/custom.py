"""A user's own space: graphs whose operations and size come from a file or a list.

    cells = [custom_cells.read_text(line) for line in lines]
    space = custom.of_cells(cells, identity_ops=("skip_connect",))

Operations stand on nodes; the first node is the input and the last one the output. What
the operations compute is not known, so that costs are those that the user tells, or zero.
"""

import dataclasses
import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.graphs import Graphs
from tnasp_jax.spaces import base, custom_chance
from tnasp_jax.spaces.custom_cells import (
    INPUT,
    NAME,
    OUTPUT,
    Cell,
    error,
    live_nodes,
    prune,
    read_cell,
    read_text,
)
from tnasp_jax.spaces.reading import short

PLAIN_IDENTITIES = ("identity", "skip", "skip_connect")
"""Names of operations that are taken to pass their input on, in any case."""

_TRIES = 1000


class NoRoom(ValueError):
    """A graph with an operation, or more nodes, than its space has.

    Attributes:
      num_nodes: slots that it takes; None where it is an operation that lacks.
    """

    def __init__(self, problem: ValueError, num_nodes: int | None = None):
        self.num_nodes = num_nodes
        super().__init__(str(problem))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CustomSpace:
    """A space of any graphs; see `tnasp_jax.spaces.base.CostedSpace`. `of_cells` makes it.

    Attributes:
      inputs: names that the first node may have,
      inner: those of the nodes between,
      outputs: and those of the last node.
      num_nodes: N, the largest number of live nodes.
      identity_ops: operations that pass their input on unchanged.
      costs: (operation, FLOPs, parameters) of one node; zero for an operation that is
        not there.
      name: "custom".
    """

    inputs: tuple[str, ...]
    inner: tuple[str, ...]
    outputs: tuple[str, ...]
    num_nodes: int
    identity_ops: tuple[str, ...] = ()
    costs: tuple[tuple[str, float, float], ...] = ()
    name: str = NAME

    @property
    def ops(self) -> tuple[str, ...]:
        """Names of the operations of a node."""
        return tuple(dict.fromkeys((*self.inputs, *self.inner, *self.outputs)))

    def parse(self, text: str) -> Cell:
        """Reads one line of JSON, `{"ops": [...], "edges": [[0, 1], ...]}`.

        `{"ops": [...], "adjacency": [[...]]}` is read too.

        Raises:
          ValueError: one sentence that names the field, as `custom_cells.read_cell`
            and `check` do.
        """
        cell = read_text(text)
        self.check(cell)
        return cell

    def check(self, cell: Cell) -> None:
        """Whether a graph lies in this space.

        Raises:
          NoRoom: a ValueError, one sentence: an operation that is unknown; too many
            nodes.
          ValueError: one sentence: an operation that stands where the space does not
            have it, such as a second input.
        """
        last = len(cell.ops) - 1
        for node, name in enumerate(cell.ops):
            role, known = "inner operation", self.inner
            if node == 0:
                role, known = "input", self.inputs
            elif node == last:
                role, known = "output", self.outputs
            if name not in known:
                problem = error(self._unknown(node, name, role, known))
                inner = 0 < node < last and name not in self.ops
                raise NoRoom(problem) if inner else problem
        count = len(live_nodes(cell))
        if count > self.num_nodes:
            problem = error(
                f"ops: {count} nodes are on paths from input to output, expected at "
                f"most {self.num_nodes}, the number of slots of this space"
            )
            raise NoRoom(problem, count)

    def format(self, architecture: Cell) -> str:
        """One line of JSON with `ops` and `edges`."""
        edges = [list(edge) for edge in architecture.edges]
        content = {"ops": list(architecture.ops), "edges": edges}
        return json.dumps(content, ensure_ascii=False)

    def to_graphs(self, architectures: Sequence[Cell]) -> Graphs:
        """Live nodes in slots 0 .. V - 1, dead slots at the end: [B, N].

        Raises:
          ValueError: naming the first row that lies outside the space; see `check`.
        """
        batch, slots = len(architectures), self.num_nodes
        number = {op: index for index, op in enumerate(self.ops)}
        ops = np.zeros((batch, slots), np.int32)
        adjacency = np.zeros((batch, slots, slots), bool)
        mask = np.zeros((batch, slots), bool)
        for row, architecture in enumerate(architectures):
            try:
                self.check(architecture)
            except ValueError as problem:
                raise ValueError(f"architecture {row}: {problem}") from None
            cell = prune(architecture)
            size = len(cell.ops)
            ops[row, :size] = [number[op] for op in cell.ops]
            adjacency[(row, *np.array(cell.edges).T)] = True
            mask[row, :size] = True
        return Graphs(ops=ops, adjacency=adjacency, mask=mask)

    def sample(self, key: jax.Array, count: int) -> list[Cell]:
        """Draws graphs of all sizes; not as the user's own file is distributed.

        The number of nodes is uniform in 2 .. N, operations are uniform, an edge joins
        two nodes with such a probability that a node has about two predecessors, and a
        node without predecessor or successor gets one.
        """
        rng = base.host_rng(key)
        return [custom_chance.random_cell(rng, self) for _ in range(count)]

    def mutate(self, key: jax.Array, architecture: Cell) -> Cell:
        """One change: another operation, an edge more or less, a node more or less.

        The dead nodes of the architecture are dropped. A neighbour is a graph of this
        space, whether or not the user's networks can have that form.

        Raises:
          ValueError: if the space has hardly any other graph.
        """
        rng = base.host_rng(key)
        parent = prune(architecture)
        old = self.canonical_hash(parent)
        for _ in range(_TRIES):
            ops, edges = custom_chance.change(rng, self, parent)
            try:
                child = read_cell({"ops": ops, "edges": sorted(edges)})
                self.check(child)
            except ValueError:
                continue
            whole = len(live_nodes(child)) == len(child.ops)
            if whole and self.canonical_hash(child) != old:
                return child
        raise error("no neighbour was found; the space has too few graphs to mutate")

    def flops(self, architecture: Cell) -> int:
        """FLOPs of the live nodes, as far as `costs` tells them."""
        known = {op: flops for op, flops, _ in self.costs}
        return round(sum(known.get(op, 0.0) for op in prune(architecture).ops))

    def parameters(self, architecture: Cell) -> int:
        """Parameters of the live nodes, as far as `costs` tells them."""
        known = {op: parameters for op, _, parameters in self.costs}
        return round(sum(known.get(op, 0.0) for op in prune(architecture).ops))

    def node_costs(self, graphs: Graphs) -> tuple[jax.Array, jax.Array]:
        """FLOPs and parameters of each node, by its operation; jittable.

        Returns:
          Two arrays, [B, 1, N] float32; zero where `costs` tells nothing.
        """
        known = {op: both for op, *both in self.costs}
        table = jnp.array([known.get(op, (0.0, 0.0)) for op in self.ops], jnp.float32)
        ops = jnp.clip(jnp.asarray(graphs.ops), 0, len(self.ops) - 1)
        of_node = jnp.where(jnp.asarray(graphs.mask)[:, :, None], table[ops], 0.0)
        return of_node[:, None, :, 0], of_node[:, None, :, 1]

    def canonical_hash(self, architecture: Cell) -> str:
        """Equal for graphs that differ in the order of their nodes, or in dead ones."""
        cell = prune(architecture)
        matrix = np.zeros((len(cell.ops),) * 2, int)
        matrix[tuple(np.array(cell.edges).T)] = 1
        return graphs_lib.graph_hash(matrix, [self.ops.index(op) for op in cell.ops])

    def describe(self) -> dict[str, Any]:
        """Plain values from which `of_description` makes this space again."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def _unknown(self, node: int, name: str, role: str, known: Sequence[str]) -> str:
        names = ", ".join(known[:6]) + (", ..." if len(known) > 6 else "")
        where = f"ops: {short(name)} at {node}"
        if node and name in self.inputs:
            return f"{where} is a second input; only the first node is one"
        if name in self.ops:
            return f"{where} is no {role} of this space; expected {names}"
        near = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean {short(near[0])}?" if near else f"expected {names}"
        return f"{where} is an unknown operation; {hint}"


def of_cells(
    cells: Iterable[Cell],
    *,
    ops: Sequence[str] | None = None,
    num_nodes: int | None = None,
    identity_ops: Sequence[str] | None = None,
    costs: Mapping[str, tuple[float, float]] | None = None,
) -> CustomSpace:
    """The smallest space that holds some graphs.

    Where one graph begins with "input" all must, so that a forgotten or second input is
    found; and as much for "output".

    Args:
      cells: checked graphs, at least one.
      ops: names that nodes between input and output may have; None for those that the
        graphs have.
      num_nodes: N; None for the largest graph's.
      identity_ops: operations that pass their input on unchanged; None for those with
        one of the `PLAIN_IDENTITIES` as name.
      costs: operation -> FLOPs and parameters of one node.

    Raises:
      ValueError: one sentence: no graphs, an identity at an end of a graph, an unknown
        operation or a negative cost in `identity_ops` or `costs`, too few nodes.
    """
    cells = list(cells)
    if not cells:
        raise error("expected at least one graph to make a space of, got none")
    inputs, outputs = {cell.ops[0] for cell in cells}, {cell.ops[-1] for cell in cells}
    inputs = {INPUT} if INPUT in inputs else inputs
    outputs = {OUTPUT} if OUTPUT in outputs else outputs
    inner = {op for cell in cells for op in cell.ops[1:-1]} if ops is None else set(ops)
    inner -= (inputs & {INPUT}) | (outputs & {OUTPUT})
    if identity_ops is None:
        plain = {op for op in inner if op.lower() in PLAIN_IDENTITIES}
        identity_ops = sorted(plain - inputs - outputs)
    largest = max(len(live_nodes(cell)) for cell in cells)
    space = CustomSpace(
        inputs=tuple(sorted(inputs)),
        inner=tuple(sorted(inner)),
        outputs=tuple(sorted(outputs)),
        num_nodes=largest if num_nodes is None else num_nodes,
        identity_ops=tuple(identity_ops),
        costs=tuple(
            (op, float(flops), float(parameters))
            for op, (flops, parameters) in sorted((costs or {}).items())
        ),
    )
    _check_space(space)
    return space


def of_description(description: Mapping[str, Any]) -> CustomSpace:
    """The space that `CustomSpace.describe` described.

    Raises:
      ValueError: if the description is damaged.
    """
    try:
        fields = {
            field.name: _tuples(description[field.name])
            for field in dataclasses.fields(CustomSpace)
        }
        space = CustomSpace(**fields)
        _check_space(space)
    except (KeyError, TypeError) as problem:
        raise error(f"the description of the space is damaged: {problem}") from None
    return space


def _check_space(space: CustomSpace) -> None:
    if space.num_nodes < 2:
        raise error(f"num_nodes: expected at least 2 slots, got {space.num_nodes}")
    named = [("identity_ops", op) for op in space.identity_ops]
    for field, op in (*named, *(("costs", op) for op, *_ in space.costs)):
        if op not in space.ops:
            near = difflib.get_close_matches(op, space.ops, 1, 0.5)
            hint = f"; did you mean {short(near[0])}?" if near else ""
            raise error(f"{field}: no operation {short(op)} in this space{hint}")
    for op in space.identity_ops:
        if op in (*space.inputs, *space.outputs):
            raise error(
                f"identity_ops: {short(op)} stands first or last in a graph; begin and "
                "end every graph with nodes of their own, such as input and output"
            )
    for op, *both in space.costs:
        if not all(cost >= 0 and math.isfinite(cost) for cost in both):
            raise error(f"costs: {op}: expected two numbers >= 0, got {both}")


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
