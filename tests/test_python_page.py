"""docs/python.md: its blocks run, one after the other, on cells of the digits table."""

import re
from pathlib import Path

import numpy as np
import scipy.stats

import tnasp_jax
from tnasp_jax import benchmarks

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "python.md").read_text()


def test_the_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = benchmarks.load("nb201digits")
    rows = np.random.default_rng(0).choice(len(table), 30, replace=False)
    labels = table.label(table.train_target)[rows].astype(np.float32)
    names = {"texts": [table.texts(row) for row in rows.tolist()], "accuracy": labels}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    assert capsys.readouterr().out
    assert scipy.stats.kendalltau(names["mean"], labels).statistic > 0.8
    assert (np.asarray(names["deviation"]) > 0).all()
    np.testing.assert_allclose(
        names["mean"], names["scale"].to_accuracy(names["scores"]), atol=1e-5
    )
    assert {"PREDICTORS", "fit", "fit_scale", "save", "load"} <= set(tnasp_jax.__all__)
