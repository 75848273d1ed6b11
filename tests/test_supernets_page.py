"""docs/supernets.md: its Python runs, in order."""

import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "supernets.md").read_text()


def test_the_python_blocks_run():
    cell, chain, network = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(cell, names)
    assert np.isfinite(names["logits"]).all() and names["logits"].shape == (10, 64)
    exec(chain, names)
    assert names["paths"].shape == (4, 6) and names["steps"].shape == (7, 6)
    exec(network, names)
    assert np.isfinite(names["logits"]).all() and names["logits"].shape == (10, 64)
