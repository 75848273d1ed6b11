"""Seconds in which chains are scored: by the surrogate of OFA, and by TNASP.

    python -m perf.chains --out=runs/perf_chains.json

100,000 architectures of OFA's ProxylessNAS space, as graphs that are there already; the
median of three repeats, compilation apart. TNASP's weights are random: they cost the same.
"""

import json
import os
import time
from pathlib import Path

import jax
import numpy as np
from absl import flags

from experiments.shell import command, devices
from experiments.shell.command import UserError
from tnasp_jax import evaluation, get_predictor
from tnasp_jax.benchmarks import ofa_surrogates
from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import Predictor

REPEATS = 3
TARGETS = {"surrogate": 2.0, "tnasp": 20.0}  # Seconds for 100,000 on two cores.


def define(values: flags.FlagValues) -> None:
    command.define_shared(values, ("data_dir", "debug"))
    flags.DEFINE_string("out", None, "file to write, JSON", flag_values=values)
    flags.DEFINE_integer(
        "count", 100_000, "architectures to score", lower_bound=2, flag_values=values
    )


def main(values: flags.FlagValues) -> int:
    if not values.out or not Path(values.out).parent.is_dir():
        raise UserError(
            f"--out={values.out or ''}: name a file in a folder that exists"
        )
    devices.use_all_cores()
    surrogate = ofa_surrogates.read("ofa_proxyless_surrogate", command.data_dir(values))
    space, count = surrogate.space, values.count
    distinct = space.to_graphs(space.sample(jax.random.key(0), min(count, 10_000)))
    rows = np.arange(count) % len(distinct)
    graphs = Graphs(distinct.ops[rows], distinct.adjacency[rows], distinct.mask[rows])
    tnasp = get_predictor("tnasp", space)
    few = Graphs(graphs.ops[:2], graphs.adjacency[:2], graphs.mask[:2])
    params = {
        "surrogate": surrogate.params,
        "tnasp": tnasp.init(jax.random.key(0), few),
    }
    predictors = {
        "surrogate": Predictor(lambda key, graphs: surrogate.params, surrogate.apply),
        "tnasp": tnasp,
    }
    told: dict = {"count": count, "load_average": os.getloadavg()[0], "seconds": {}}
    for name, target in TARGETS.items():
        score, times = evaluation.scorer(predictors[name], mesh=devices.mesh()), []
        for _ in range(1 + REPEATS):
            began = time.perf_counter()
            np.asarray(score(params[name], graphs))
            times.append(time.perf_counter() - began)
        seconds = float(np.median(times[1:]))
        told["seconds"][name] = round(seconds, 2)
        verdict = "met" if seconds <= target * count / 100_000 else "missed"
        print(
            f"{name:<10}{seconds:8.2f} s, first {times[0]:.1f} s, target {target:g} s "
            f"for 100,000: {verdict}"
        )
    Path(values.out).write_text(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    command.run(main, define)
