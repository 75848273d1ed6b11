"""docs/search.md: its Python runs, in order, and its links and names exist."""

import re
from pathlib import Path

import jax
import numpy as np

from tnasp_jax import search

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "search.md").read_text()


def block(name) -> str:
    """The code that stands under a mark of the page."""
    found = re.search(
        rf"<!-- {name} -->\n```python\n(.*?)```\n<!-- /{name} -->", PAGE, re.S
    )
    assert found, f"the page has no block {name}"
    return found[1]


def test_the_python_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block("loop"), names)
    text, value = search.best(names["state"])
    assert capsys.readouterr().out == f"{(text, value)}\n"
    assert len(names["state"]) == 100 and value > 0.7
    before = names["state"]
    exec(block("save"), names)
    jax.tree.map(np.testing.assert_array_equal, names["state"], before)
    exec(block("known"), names)
    assert len(names["asked"]) == 4
    exec(block("limits"), names)
    state, space = names["state"], names["space"]
    assert len(state) == 160
    cells = [space.parse(text) for text in state.texts]
    assert max(map(space.parameters, cells)) <= 500_000
    front = search.front(state.values)
    assert len(capsys.readouterr().out.splitlines()) == len(front) > 1


def test_the_loop_is_short():
    lines = [line for line in block("loop").splitlines() if line.strip()]
    assert len(lines) <= 15


def test_the_table_names_every_method():
    names = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert names == list(search.METHODS)


def test_links_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
