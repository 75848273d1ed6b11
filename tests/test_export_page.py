"""docs/export.md, run as printed."""

import re
import shlex
from pathlib import Path

import jax
import numpy as np
import pytest

import tnasp_jax
from experiments import export
from experiments.shell import command
from tnasp_jax.spaces import NASBENCH201

pytest.importorskip("flatbuffers", reason="the extra export is not installed")

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "export.md").read_text()
DRAWS, LABELS = 2, 12


def block(name) -> str:
    """The code that stands under a mark of the page."""
    found = re.search(
        rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", PAGE, re.S
    )
    assert found, f"the page has no block {name}"
    return found[1]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """runs/quickstart/nb201digits_tnasp_78 of the page, in the folder where the page is run."""
    predictor = tnasp_jax.get_predictor("regression_nas", NASBENCH201)
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), LABELS))
    keys = jax.random.split(jax.random.key(1), DRAWS)
    labels = jax.random.uniform(jax.random.key(2), (DRAWS, LABELS))
    made = tnasp_jax.Run(
        space=NASBENCH201,
        predictor_name="regression_nas",
        params={
            "network": jax.jit(jax.vmap(predictor.init, (0, None)))(keys, graphs),
            "scale": jax.vmap(lambda y: tnasp_jax.fit_scale(y, "rank"))(labels),
        },
        target="c10_val",
        description="",
    )
    monkeypatch.chdir(tmp_path)
    tnasp_jax.save(made, "runs/quickstart/nb201digits_tnasp_78")
    return made


def test_the_blocks_run(run):
    install, line = block("export").replace("\\\n", " ").splitlines()
    assert install == "pip install '.[export]'"
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "experiments.export"]
    with pytest.raises(SystemExit) as exit_:
        command.run(export.main, export.define, words[3:])
    assert exit_.value.code == 0
    names = {}
    exec(block("save"), names)
    exec(block("inputs"), names)
    cells, names = names["cells"], {}
    exec(block("load"), names)
    np.testing.assert_allclose(names["scores"], run.predict(cells), atol=1e-6)
