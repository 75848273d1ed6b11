"""docs/darts.md: its Python runs."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "darts.md").read_text()
IMAGES, SUPERNET = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_images(data_dir):
    pytest.importorskip("PIL", reason="needs the extra data")
    if not (data_dir / "cifar10").is_dir():
        pytest.skip("no CIFAR-10 in the data folder")
    names = {"data_dir": data_dir}
    exec(IMAGES, names)
    assert names["small"].shape == (50_000, 16, 16, 3)


def test_the_supernet():
    names = {}
    exec(SUPERNET, names)
    assert names["logits"].shape == (10, 16) and np.isfinite(names["logits"]).all()
