"""The directions of the imports, and what may not stand in a source file."""

import ast
import re
from pathlib import Path

import pytest

from tnasp_jax.predictors import PREDICTORS

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "tnasp_jax").rglob("*.py"))
COMMANDS = sorted((ROOT / "experiments").rglob("*.py"))
SOURCES = [*PACKAGE, *COMMANDS, *sorted((ROOT / "perf").rglob("*.py"))]

# What a room may import from the package, beside itself.
GRAPHS = {"graphs"}
SPACES = GRAPHS | {"names", "spaces"}
NETWORKS = SPACES | {"encodings", "invariants", "predictors"}
TRAINING = NETWORKS | {"losses", "training"}
ROOMS = {
    "graphs": set(),
    "metrics": GRAPHS,
    "losses": set(),
    "names": set(),
    "cost": set(),
    "spaces": GRAPHS | {"cost", "names"},
    "encodings": GRAPHS,
    "invariants": SPACES,
    "predictors": SPACES | {"encodings", "invariants", "losses"},
    "training": TRAINING,
    "evaluation": TRAINING,
    "search": TRAINING | {"evaluation", "metrics"},
    # The leaves, which no other room imports.
    "benchmarks": SPACES | {"cost", "metrics"},
    "checkpoints": set(),
    "drawing": SPACES,
    "plotting": set(),
    "runs": TRAINING | {"evaluation"},
    "supernets": SPACES,
    "export": GRAPHS | {"runs"},
}
# What a room of the commands may import from `experiments`, beside itself.
SHELL_ROOMS = {
    "shell": set(),
    "cells": {"shell"},
    "reports": {"shell", "cells"},
    "searching": {"shell", "cells"},
    "own_space": {"shell", "cells"},
    "networks": {"shell", "cells", "searching"},
}
DRAWS = {"tnasp_jax/plotting.py", "tnasp_jax/drawing/render.py"}
LEAVES = {
    "benchmarks",
    "checkpoints",
    "drawing",
    "export",
    "plotting",
    "runs",
    "supernets",
}


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in it; `from a import b` is a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def called(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def room(path: Path) -> str:
    return path.relative_to(ROOT / "tnasp_jax").parts[0].removesuffix(".py")


def starts(names: set[str], *packages: str) -> list[str]:
    return sorted(n for n in names if n.split(".")[0] in packages)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PACKAGE, ids=named)
def test_rooms_import_in_one_direction(path):
    home = room(path)
    if home == "__init__":
        return
    assert home in ROOMS, f"{home}: say in tests/test_imports.py what it may import"
    own = starts(imported(path), "tnasp_jax")
    rooms = {name.split(".")[1] for name in own}
    assert rooms <= ROOMS[home] | {home}


@pytest.mark.parametrize("home", SHELL_ROOMS)
def test_rooms_of_the_commands_import_in_one_direction(home):
    folders = {p.parent.name for p in COMMANDS} - {"experiments"}
    assert folders == set(SHELL_ROOMS)
    files = [path for path in COMMANDS if path.parent.name == home]
    own = {n for path in files for n in starts(imported(path), "experiments")}
    assert {name.split(".")[1] for name in own} <= SHELL_ROOMS[home] | {home}


def test_the_core_knows_no_leaf():
    core = [allowed for home, allowed in ROOMS.items() if home not in LEAVES]
    assert not any(allowed & LEAVES for allowed in core)
    assert {room(path) for path in PACKAGE} - {"__init__"} <= set(ROOMS)


@pytest.mark.parametrize("path", PACKAGE, ids=named)
def test_the_package_reads_no_flags_and_prints_nothing(path):
    outside = {"absl", "argparse", "experiments", "perf", "tests"}
    assert starts(imported(path), *outside) == []
    assert "print" not in called(path)


@pytest.mark.parametrize("path", PACKAGE, ids=named)
def test_the_package_names_no_flag(path):
    assert re.findall(r"(?<![-\w])--[a-z]\w*", path.read_text()) == []


TRAINING_CODE = [
    *(path for path in PACKAGE if room(path) in ("training", "evaluation")),
    *(path for path in COMMANDS if path.parent.name == "cells"),
]


@pytest.mark.parametrize("path", TRAINING_CODE, ids=named)
def test_training_and_evaluation_name_no_predictor(path):
    tree = ast.parse(path.read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert texts & set(PREDICTORS) == set()


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_what_stands_in_no_source(path):
    names, text = imported(path), path.read_text()
    assert not [n for n in names if n.startswith(("jax._src", "jaxlib"))]
    assert "allow_pickle=True" not in text
    if path.name != "safe_pickle.py":  # Its unpickler looks up nothing by name.
        assert starts(names, "pickle") == []
    assert "../shared" not in text
    if path.name != "checkpoints.py":
        assert starts(names, "orbax") == []
    if named(path) not in DRAWS:
        assert starts(names, "matplotlib") == []


def test_only_conftest_knows_where_the_tables_lie():
    others = [
        path
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path not in (ROOT / "tests" / "conftest.py", Path(__file__))
    ]
    assert [p for p in others if "../shared" in p.read_text()] == []
