"""Predict the accuracy of neural architectures in pure, jittable JAX.

    import jax
    import tnasp_jax

    space = tnasp_jax.get_space("nasbench201")
    graphs = space.to_graphs(space.sample(jax.random.key(0), 100))
    predictor = tnasp_jax.get_predictor("tnasp", space)
    params = predictor.init(jax.random.key(1), graphs)
    scores = jax.jit(predictor.apply)(params, graphs)  # [B]

Axis letters, in docstrings and as suffixes of local arrays: B architectures, N node
slots, n training cells, V validation cells, M cells of a table, S draws (seeds),
T constraints, D model width, H heads.
"""

from tnasp_jax import benchmarks, encodings, losses, metrics, search
from tnasp_jax.evaluation import ensemble, scorer
from tnasp_jax.graphs import Graphs, is_valid, pad_batch, pad_nodes
from tnasp_jax.predictors import (
    PREDICTORS,
    Predictor,
    TnaspConfig,
    get_predictor,
    tnasp,
)
from tnasp_jax.predictors.recipe import FitConfig
from tnasp_jax.runs import Run, load, save
from tnasp_jax.spaces import SPACES, Space, get_space
from tnasp_jax.spaces.base import validate
from tnasp_jax.training.draws import over_draws
from tnasp_jax.training.labels import LabelScale, fit_scale
from tnasp_jax.training.self_evolution import EvolutionConfig
from tnasp_jax.training.supervised import fit

__version__ = "0.1.0"

__all__ = [
    "PREDICTORS",
    "SPACES",
    "EvolutionConfig",
    "FitConfig",
    "Graphs",
    "LabelScale",
    "Predictor",
    "Run",
    "Space",
    "TnaspConfig",
    "benchmarks",
    "encodings",
    "ensemble",
    "fit",
    "fit_scale",
    "get_predictor",
    "get_space",
    "is_valid",
    "load",
    "losses",
    "metrics",
    "over_draws",
    "pad_batch",
    "pad_nodes",
    "save",
    "scorer",
    "search",
    "tnasp",
    "validate",
]
