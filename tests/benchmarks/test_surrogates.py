"""What holds of every surrogate."""

import jax
import jax.export
import numpy as np
import pytest

from tnasp_jax import benchmarks


@pytest.mark.parametrize("name", benchmarks.SURROGATES)
def test_it_is_exported_for_any_number_of_architectures(data_dir, name):
    surrogate = benchmarks.load_surrogate(name, data_dir)
    space = surrogate.space
    score = jax.jit(lambda graphs: surrogate.apply(surrogate.params, graphs))
    graphs = space.to_graphs(space.sample(jax.random.key(0), 40))
    (batch,) = jax.export.symbolic_shape("b")
    symbolic = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((batch, *leaf.shape[1:]), leaf.dtype), graphs
    )
    exported = jax.export.export(score)(symbolic)
    scores = np.asarray(score(graphs))
    assert np.isfinite(scores).any()
    np.testing.assert_allclose(exported.call(graphs), scores, rtol=1e-6)
