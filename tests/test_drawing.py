"""Layouts by computation, and the files that are made of them."""

import dataclasses
import itertools
import json
import xml.etree.ElementTree as ElementTree

import jax
import numpy as np
import pytest

from tnasp_jax import drawing
from tnasp_jax.drawing import crossings, layered, picture, straighten
from tnasp_jax.spaces import SPACES, chain_network, custom, custom_cells, proxylessnas

CELLS = ("nasbench101", "nasbench201", "darts")
CHAINS = tuple(name for name in SPACES if name not in CELLS)
NB201 = (
    "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
)
FULL101 = {
    "matrix": [
        [0, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    "ops": ["input", *["conv3x3-bn-relu", "maxpool3x3"] * 2, "maxpool3x3", "output"],
}
WIDE_DARTS = " ".join(["sep_conv_3x3:0", "max_pool_3x3:1"] * 8)
DEEP_DARTS = " ".join(
    f"{op}:{source}"
    for _ in range(2)
    for node in range(4)
    for op, source in (("dil_conv_5x5", node), ("skip_connect", node + 1))
)


def pictures():
    """(name, picture) of the largest and of random architectures of every space."""
    for name, space in SPACES.items():
        for at, one in enumerate(space.sample(jax.random.key(7), 6)):
            yield f"{name} {at}", drawing.of_architecture(space, one)
    largest = {
        "nasbench101": json.dumps(FULL101),
        "nasbench201": NB201,
        "darts": WIDE_DARTS,
    }
    for name, text in [*largest.items(), ("darts", DEEP_DARTS)]:
        one = SPACES[name].parse(text)
        yield f"{name} largest", drawing.of_architecture(SPACES[name], one)
    for seed in range(4):
        cell = random_graph(seed)
        yield f"custom {seed}", drawing.of_architecture(custom.of_cells([cell]), cell)


def random_graph(seed: int) -> custom_cells.Cell:
    """A custom graph of 5 to 26 nodes with long edges."""
    rng = np.random.default_rng(seed)
    size = 5 + 7 * seed
    names = ["a", "conv", "an operation with a long name", "attention-without_breaks"]
    ops = ["input", *rng.choice(names, size - 2).tolist(), "output"]
    edges = {(int(rng.integers(node)), node) for node in range(1, size)}
    edges |= {(node, int(rng.integers(node + 1, size))) for node in range(size - 1)}
    return custom_cells.read_text(json.dumps({"ops": ops, "edges": sorted(edges)}))


ALL = dict(pictures())


def points_of(curve) -> np.ndarray:
    """Points of a curve as it is drawn, [P, 2]."""
    t = np.linspace(0, 1, 60)
    parts = []
    for (x, y), (to_x, to_y) in itertools.pairwise(curve.stops):
        # A cubic whose inner control points lie at half of the height.
        across = 3 * (1 - t) * t**2 + t**3
        down = 1.5 * (1 - t) ** 2 * t + 1.5 * (1 - t) * t**2 + t**3
        parts.append(np.stack([x + (to_x - x) * across, y + (to_y - y) * down], 1))
    return np.concatenate(parts)


@pytest.mark.parametrize("name", ALL)
def test_boxes_are_apart_and_inside(name):
    found = ALL[name]
    for one, other in itertools.combinations(found.boxes, 2):
        across = abs(one.x - other.x) - (one.width + other.width) / 2
        down = abs(one.y - other.y) - (one.height + other.height) / 2
        assert max(across, down) > 0.02, (one, other)
    for box in found.boxes:
        assert box.width / 2 < box.x < found.width - box.width / 2
        assert box.height / 2 < box.y < found.height - box.height / 2


@pytest.mark.parametrize("name", ALL)
def test_text_fits_into_its_box(name):
    for box in ALL[name].boxes:
        width, height = picture.size_of(box.lines)
        assert width <= box.width + 1e-9, box
        assert height <= box.height + 0.05, box


@pytest.mark.parametrize("name", ALL)
def test_curves_touch_no_box_but_their_own(name):
    found = ALL[name]
    for curve in found.curves:
        x, y = points_of(curve).T
        assert np.all(np.diff(y) > -1e-9)
        assert np.all((x > 0) & (x < found.width))
        for at, box in enumerate(found.boxes):
            if at in (curve.source, curve.target):
                continue
            near = np.maximum(
                np.abs(x - box.x) - box.width / 2, np.abs(y - box.y) - box.height / 2
            )
            assert near.min() > 0.02, (curve, box)
        source, target = found.boxes[curve.source], found.boxes[curve.target]
        assert y[0] == pytest.approx(source.y + source.height / 2)
        assert y[-1] == pytest.approx(target.y - target.height / 2)
        assert abs(x[0] - source.x) < source.width / 2
        assert abs(x[-1] - target.x) < target.width / 2


def test_every_edge_of_nasbench101_is_drawn():
    space = SPACES["nasbench101"]
    for cell in space.sample(jax.random.key(1), 10):
        found = drawing.of_architecture(space, cell)
        edges = {(curve.source, curve.target) for curve in found.curves}
        assert edges == set(zip(*np.nonzero(cell.matrix), strict=True))
        assert [box.name for box in found.boxes] == list(cell.ops)


def test_nasbench201_labels_all_six_edges():
    space = SPACES["nasbench201"]
    found = drawing.of_architecture(space, space.parse(NB201))
    nodes = [box for box in found.boxes if box.kind == "dot"]
    labels = [box for box in found.boxes if box.kind == "label"]
    assert [box.name for box in nodes] == ["input", "1", "2", "output"]
    assert len(labels) == 6 and len(found.curves) == 12
    # Node 1 leads to node 2 by a skip; `none` computes nothing.
    assert [box.name for box in labels if not box.live] == ["none", "none"]
    into = {curve.target: curve.source for curve in found.curves}
    out = {curve.source: curve.target for curve in found.curves}
    skip = next(at for at, box in enumerate(found.boxes) if box.name == "skip_connect")
    assert (found.boxes[into[skip]].name, found.boxes[out[skip]].name) == ("1", "2")


def test_darts_shows_both_cells_as_people_know_them():
    space = SPACES["darts"]
    genotype = space.sample(jax.random.key(0), 1)[0]
    found = drawing.of_architecture(space, genotype)
    names = [box.name for box in found.boxes]
    for name in ("c_{k-2}", "c_{k-1}", "0", "1", "2", "3", "c_{k}"):
        assert names.count(name) == 2
    ops = [box.name for box in found.boxes if box.kind == "label"]
    assert ops == [op for cell in genotype.cells for op, _ in cell]
    assert [note.text for note in found.notes] == ["normal cell", "reduction cell"]
    middle = found.width / 2
    left = [box for box in found.boxes if box.x < middle]
    assert {box.name for box in left} >= {"c_{k-2}", "c_{k}"}
    assert len(found.curves) == 2 * (16 + 4)


def test_darts_edges_of_a_node_without_any_are_pale():
    space = SPACES["darts"]
    genotype = space.sample(jax.random.key(0), 1)[0]
    dead = (("none", 0), ("none", 1), ("skip_connect", 2), ("skip_connect", 0))
    cell = (*dead, *genotype.normal[4:])
    found = drawing.of_architecture(space, dataclasses.replace(genotype, normal=cell))
    live = [box.live for box in found.boxes if box.kind == "label"]
    assert live[:4] == [False] * 3 + [True] and all(live[8:])


def test_a_stem_that_halves_nothing_is_drawn_so():
    stages = (chain_network.Stage(8, 2, 1),)
    skeleton = chain_network.Skeleton(
        stem=4, first=4, stages=stages, head=8, stem_stride=1, num_classes=5
    )
    space = proxylessnas.sized(32, skeleton)
    found = drawing.of_architecture(space, space.sample(jax.random.key(0), 1)[0])
    shown = " ".join(note.text for note in found.notes)
    assert shown.count("stride 2") == 1 and "16" in shown and "32" in shown
    assert "8x8" not in shown.replace(" ", "") and "8\u00d78" not in shown


@pytest.mark.parametrize("name", CHAINS)
def test_chains_show_kernel_and_expansion_of_every_place(name):
    space = SPACES[name]
    for one in space.sample(jax.random.key(2), 5):
        found = drawing.of_architecture(space, one)
        layers = [box for box in found.boxes if box.name not in ("stem", "head")]
        layers = layers[bool(space.skeleton.first) :]
        blocks = space.layout([one]).blocks[0]
        blocks = [space.blocks[block] for block in blocks if block >= 0]
        assert [box.name for box in layers] == [block.name for block in blocks]
        for box, block in zip(layers, blocks, strict=True):
            if block.expansion:
                assert box.height == pytest.approx(0.1 * block.kernel)
                assert box.lines[1].startswith(f"e{block.expansion}")
        shown = " ".join(note.text for note in found.notes)
        multiplier = space.multipliers[space.layout([one]).multiplier[0]]
        for stage in space.skeleton.widened(multiplier).stages:
            assert f"{stage.width} ch" in shown
        halved = [stage.stride for stage in space.skeleton.stages].count(2)
        assert shown.count("stride 2") == 1 + halved


def test_notes_of_a_chain_are_apart():
    for name in CHAINS:
        notes = ALL[f"{name} 0"].notes
        for one, other in itertools.combinations(notes, 2):
            reach = (
                0.61 / 72 * (one.size * len(one.text) + other.size * len(other.text))
            )
            apart = abs(one.x - other.x) > reach / 2 or abs(one.y - other.y) > 0.1
            assert apart, (one, other)


def test_layers_are_longest_paths_and_labels_make_room():
    edges = [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)]
    assert layered.layers_of(4, edges) == [0, 1, 2, 3]
    assert layered.layers_of(4, [(0, 3), (1, 2), (2, 3)], last=3) == [0, 1, 2, 3]
    # Eight labels between two nodes of the top and four others.
    found = drawing.of_architecture(SPACES["darts"], SPACES["darts"].parse(WIDE_DARTS))
    rows = {}
    for box in found.boxes:
        if box.kind == "label" and box.x < found.width / 2:
            rows.setdefault(round(box.y, 3), []).append(box)
    assert max(map(len, rows.values())) <= layered.MOST_LABELS


def test_crossings_that_need_not_be_are_gone():
    # Two layers whose straight matching is turned round, and a tree.
    segments = [(0, 5), (1, 4), (2, 3)]
    rows = crossings.ordered([0, 0, 0, 1, 1, 1], segments)
    assert crossings.count(rows, segments) == 0
    assert crossings.count([[0, 1, 2], [3, 4, 5]], segments) == 3


def test_a_long_edge_is_straight():
    sizes = [(0.5, 0.2)] * 6
    edges = [(at, at + 1) for at in range(5)] + [(0, 5)]
    found = layered.layout(sizes, edges)
    inner = {round(x, 6) for x, _ in found.routes[-1][2:-2]}
    assert len(inner) == 1
    assert len({round(x, 6) for x, _ in found.centres[1:5]}) == 1


def test_coordinates_keep_order_and_distance():
    x = straighten.coordinates([[0, 1, 2], [3]], [(0, 3), (2, 3)], [1, 2, 1, 1], 4)
    assert x[1] - x[0] >= 1.5 + straighten.APART - 1e-6
    assert x[2] - x[1] >= 1.5 + straighten.APART - 1e-6


def test_long_names_are_broken_into_even_lines():
    assert picture.wrapped("sep_conv_3x3") == ("sep_conv_3x3",)
    assert picture.wrapped("conv3x3-bn-relu") == ("conv3x3-", "bn-relu")
    lines = picture.wrapped("x" * 100)
    assert len(lines) == 3 and lines[-1].endswith("…")


@pytest.mark.parametrize("name", ["nasbench101 largest", "darts 0", "mnasnet 0"])
def test_files_are_whole_and_equal_each_time(name):
    pytest.importorskip("matplotlib")
    found = ALL[name]
    svg, png = (drawing.file_of(found, kind) for kind in drawing.FORMATS)
    assert png.startswith(b"\x89PNG")
    assert svg == drawing.file_of(found, "svg")
    assert png == drawing.file_of(found, "png")
    root = ElementTree.fromstring(svg)
    texts = {each.text for each in root.iter() if each.tag.endswith("text")}
    ids = {each.get("id") for each in root.iter()}
    for at, box in enumerate(found.boxes):
        assert set(box.lines) <= texts
        assert f"node-{at}-{box.name}" in ids
    for curve in found.curves:
        assert f"edge-{curve.source}-{curve.target}" in ids


def test_strange_names_stay_text():
    pytest.importorskip("matplotlib")
    text = '{"ops": ["input", "a<b>&$x$", "\\u00e9\\"q\\"", "output"], "edges": '
    cell = custom_cells.read_text(text + "[[0, 1], [1, 2], [2, 3]]}")
    svg = drawing.file_of(drawing.of_architecture(custom.of_cells([cell]), cell), "svg")
    texts = {each.text for each in ElementTree.fromstring(svg).iter()}
    assert {"a<b>&$x$", 'é"q"'} <= texts


def test_mistakes():
    with pytest.raises(ValueError, match="expected one of svg, png, got 'gif'"):
        drawing.file_of(ALL["nasbench101 0"], "gif")

    class Other:
        name = "other"

    with pytest.raises(ValueError, match="other: there is no drawing of this space"):
        drawing.of_architecture(Other(), None)
