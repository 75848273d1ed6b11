"""Weight-sharing networks that rank architectures: SPOS and FairNAS.

Unlike predictors they take the platform's default precision of matrix products, as a
training does.
"""

from tnasp_jax.supernets.base import Params, Supernet
from tnasp_jax.supernets.chain import chain, paths_of_chains
from tnasp_jax.supernets.darts import darts, path_of_darts, paths_of_darts
from tnasp_jax.supernets.nasbench101 import nasbench101, paths_of_nasbench101
from tnasp_jax.supernets.nasbench201 import nasbench201
from tnasp_jax.supernets.ranking import accuracies
from tnasp_jax.supernets.sampling import SAMPLERS, Sampler, fairnas, spos
from tnasp_jax.supernets.training import (
    State,
    TrainConfig,
    start,
    sum_over_paths,
    train_steps,
)

__all__ = [
    "SAMPLERS",
    "Params",
    "Sampler",
    "State",
    "Supernet",
    "TrainConfig",
    "accuracies",
    "chain",
    "darts",
    "fairnas",
    "nasbench101",
    "nasbench201",
    "path_of_darts",
    "paths_of_chains",
    "paths_of_darts",
    "paths_of_nasbench101",
    "spos",
    "start",
    "sum_over_paths",
    "train_steps",
]
