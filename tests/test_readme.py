"""README.md: its Python runs, its links and flag files exist."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp

import tnasp_jax

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def save_untrained(folder):
    """A run of two untrained draws, as the quickstart leaves one."""
    space = tnasp_jax.get_space("nasbench201")
    predictor = tnasp_jax.get_predictor("tnasp", space)
    graphs = space.to_graphs([(3,) * 6])
    keys = jax.random.split(jax.random.key(0), 2)
    accuracies = jnp.array([[0.1, 0.5, 0.9], [0.2, 0.6, 0.8]])
    params = {
        "network": jax.jit(jax.vmap(lambda key: predictor.init(key, graphs)))(keys),
        "scale": jax.vmap(lambda a: tnasp_jax.fit_scale(a, "rank"))(accuracies),
    }
    run = tnasp_jax.Run(
        space=space,
        predictor_name="tnasp",
        params=params,
        target="digits_val",
        description="made up",
    )
    tnasp_jax.save(run, folder)


def test_the_python_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_untrained(tmp_path / "runs" / "quickstart" / "nb201digits_tnasp_78")
    found = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert found
    namespace = {}
    for block in found:
        exec(block, namespace)
    best = namespace["best_so_far"](namespace["run"].params, namespace["batches"])
    assert best.shape == (10,) and 0 < best[0] <= best[9]
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_links_and_flag_files_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    files = re.findall(r"--flagfile=(\S+)", README)
    assert links and files
    missing = [name for name in links + files if not (ROOT / name).exists()]
    assert not missing
