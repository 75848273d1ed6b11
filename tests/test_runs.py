"""Run folders: what is saved is what is loaded, and what is wrong is said."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import runs
from tnasp_jax.predictors import PREDICTORS, Predictor, TnaspConfig, tnasp
from tnasp_jax.spaces import get_space
from tnasp_jax.training.labels import fit_scale

SPACE = get_space("nasbench201")
SMALL = TnaspConfig(
    num_layers=1, width=16, num_heads=2, head_width=4, hidden=16, regressor_hidden=8
)
WIDER = TnaspConfig(
    num_layers=1, width=24, num_heads=2, head_width=4, hidden=16, regressor_hidden=8
)
DRAWS = 3


@pytest.fixture(scope="module")
def traces():
    """Registers the predictor "small"; counts the traces of its apply."""
    count = []

    def small(space):
        network = tnasp(len(space.ops), SMALL)

        def apply(params, graphs, **options):
            count.append(len(graphs))
            return network.apply(params, graphs, **options)

        return Predictor(network.init, apply)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PREDICTORS, "small", small)
        yield count


@pytest.fixture(scope="module")
def texts():
    return [SPACE.format(a) for a in SPACE.sample(jax.random.key(7), 100)]


@pytest.fixture(scope="module")
def graphs(texts):
    return SPACE.to_graphs([SPACE.parse(text) for text in texts])


@pytest.fixture(scope="module")
def run(traces, graphs):
    predictor = PREDICTORS["small"](SPACE)
    keys = jax.random.split(jax.random.key(0), DRAWS)
    network = jax.jit(jax.vmap(lambda key: predictor.init(key, graphs)))(keys)
    labels = jax.random.uniform(jax.random.key(1), (DRAWS, 12), minval=0.6, maxval=0.9)
    scale = jax.vmap(lambda accuracies: fit_scale(accuracies, "rank"))(labels)
    return runs.Run(
        space=SPACE,
        predictor_name="small",
        params={"network": network, "scale": scale},
        target="c10_val",
        description="validation accuracy of something",
    )


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "saved"
    runs.save(run, path)
    return path


@pytest.fixture(scope="module")
def loaded(folder):
    return runs.load(folder)


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of the saved run, to be damaged."""
    home = tmp_path / "copy" / "predictor"
    home.mkdir(parents=True)
    for name in ("params.npz", "predictor.json"):
        home.joinpath(name).write_bytes((folder / "predictor" / name).read_bytes())
    return home.parent


# Saving, loading, predicting.


def test_a_loaded_run_is_the_saved_run(run, loaded):
    assert loaded.space is run.space
    assert loaded.predictor_name == "small"
    assert (loaded.target, loaded.description) == (run.target, run.description)
    assert loaded.draws == DRAWS
    jax.tree.map(np.testing.assert_array_equal, loaded.params, run.params)


def test_arrays_on_disk_need_no_pickle(folder):
    with np.load(folder / "predictor" / "params.npz", allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file} == {"f"}


def test_saving_leaves_no_other_file(folder):
    names = sorted(p.name for p in folder.rglob("*") if p.is_file())
    assert names == ["params.npz", "predictor.json"]


def test_predict_is_apply_and_scale(loaded, texts, graphs):
    predictor = PREDICTORS["small"](SPACE)
    members = []
    for draw in range(DRAWS):
        network, scale = jax.tree.map(
            lambda leaf, at=draw: leaf[at],
            (loaded.params["network"], loaded.params["scale"]),
        )
        members.append(scale.to_accuracy(jax.jit(predictor.apply)(network, graphs)))
    members = np.stack(members)
    mean, std = loaded.predict(texts, return_std=True)
    np.testing.assert_allclose(mean, members.mean(0), rtol=1e-5)
    np.testing.assert_allclose(std, members.std(0, ddof=1), rtol=1e-3, atol=1e-6)
    pure = jax.jit(loaded.predict_fn)(loaded.params, graphs)
    np.testing.assert_allclose(mean, pure, rtol=1e-5)
    assert mean.dtype == std.dtype == np.float32
    assert len(np.unique(mean)) > 50


def test_sizes_in_a_row_compile_few_programs_and_change_no_score(folder, texts, traces):
    fresh = runs.load(folder)
    traces.clear()
    by_size = {n: fresh.predict(texts[:n]) for n in (1, 2, 3, 17, 100, 2, 99)}
    assert traces == [8, 32, 128]
    for n, scores in by_size.items():
        assert scores.shape == (n,)
        np.testing.assert_allclose(scores, by_size[100][:n], rtol=1e-5)
    np.testing.assert_array_equal(by_size[2], by_size[3][:2])


def test_sizes_of_one_padding_compile_once(loaded, texts):
    loaded.predict(texts[:20], return_std=True)
    compiled = []

    def listen(event, duration, **_):
        compiled.extend([event] * event.endswith("backend_compile_duration"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    for n in (19, 27, 32):
        loaded.predict(texts[:n])
        loaded.predict(texts[:n], return_std=True)
    jax.monitoring.unregister_event_duration_listener(listen)
    assert not compiled


def test_numbers_that_an_npz_forgets_are_refused(run, tmp_path):
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), run.params["network"])
    rounded = runs.Run(
        space=SPACE,
        predictor_name="small",
        params=run.params | {"network": half},
        target="c10_val",
        description="",
    )
    with pytest.raises(ValueError, match="numbers that numpy knows, got bfloat16"):
        runs.save(rounded, tmp_path)


def test_many_architectures_go_in_blocks(folder, texts, monkeypatch):
    whole = runs.load(folder).predict(texts, return_std=True)
    monkeypatch.setattr(runs, "_BLOCK", 32)
    in_blocks = runs.load(folder).predict(texts, return_std=True)
    for one, other in zip(whole, in_blocks, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_one_member_has_no_deviation(run, texts):
    single = runs.Run(
        space=SPACE,
        predictor_name="small",
        params=jax.tree.map(lambda leaf: leaf[:1], run.params),
        target="c10_val",
        description="",
    )
    _, std = single.predict(texts[:2], return_std=True)
    np.testing.assert_array_equal(std, [0, 0])


@pytest.mark.parametrize("leading", [lambda leaf: leaf[0], lambda leaf: leaf[:1]])
def test_parameters_without_one_axis_of_draws_are_refused(run, leading):
    scale = jax.tree.map(leading, run.params["scale"])
    with pytest.raises(ValueError, match="leading axis of S draws"):
        runs.Run(
            space=SPACE,
            predictor_name="small",
            params=run.params | {"scale": scale},
            target="c10_val",
            description="",
        )


def test_a_predictor_that_knows_its_deviation_tells_it(run, texts, graphs):
    def sure_of_itself(space):
        def deviation(params, graphs):
            return jnp.full(graphs.ops.shape[0], 0.2)

        return PREDICTORS["small"](space)._replace(deviation=deviation)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PREDICTORS, "sure", sure_of_itself)
        sure = runs.Run(
            space=SPACE,
            predictor_name="sure",
            params=run.params,
            target="c10_val",
            description="",
        )
    _, std = sure.predict(texts[:5], return_std=True)
    spreads, means = [], []
    for draw in range(DRAWS):
        network, scale = jax.tree.map(
            lambda leaf, at=draw: leaf[at],
            (run.params["network"], run.params["scale"]),
        )
        units = np.asarray(sure.predictor.apply(network, graphs[:5]))
        means.append(scale.to_accuracy(units))
        ends = scale.to_accuracy(units + 0.2), scale.to_accuracy(units - 0.2)
        spreads.append((ends[0] - ends[1]) / 2)
    expected = np.mean(np.square(spreads), 0) + np.var(means, 0, ddof=1)
    np.testing.assert_allclose(std, np.sqrt(expected), rtol=1e-3)
    assert (std > np.std(means, 0, ddof=1)).all()


def test_no_architectures_are_no_scores(loaded):
    assert loaded.predict([]).shape == (0,)
    mean, std = loaded.predict([], return_std=True)
    assert mean.shape == std.shape == (0,)


def test_one_text_is_no_list(loaded, texts):
    with pytest.raises(ValueError, match="expected a list of architectures"):
        loaded.predict(texts[0])


def test_graphs_are_told_where_to_go(loaded, graphs):
    with pytest.raises(ValueError, match=r"predict_fn\(run.params, graphs\)"):
        loaded.predict(graphs)


def test_a_bad_text_names_its_place(loaded, texts):
    with pytest.raises(ValueError, match="^architecture 2: ") as caught:
        loaded.predict([*texts[:2], "|conv~0|", texts[3]])
    assert "\n" not in str(caught.value)


def test_predict_fn_in_a_loop_of_ones_own(loaded, graphs):
    batches = jax.tree.map(
        lambda leaf: leaf[:12].reshape(3, 4, *leaf.shape[1:]), graphs
    )

    @jax.jit
    def best(params, batches):
        def step(carry, batch):
            scores = loaded.predict_fn(params, batch)
            return jnp.maximum(carry, jnp.max(scores)), scores

        return jax.lax.scan(step, jnp.float32(-1), batches)

    top, scores = best(loaded.params, batches)
    np.testing.assert_allclose(
        scores.reshape(-1),
        loaded.predict_fn(loaded.params, graphs[np.arange(12)]),
        rtol=1e-5,
    )
    assert float(top) == float(scores.max())


@pytest.mark.parametrize("ties", [False, True])
def test_gradients_by_the_parameters_are_finite(loaded, graphs, ties):
    params = loaded.params
    if ties:  # Equal training labels make equal knots.
        labels = jnp.tile(jnp.float32([0.1, 0.1, 0.7, 0.7, 0.7, 0.9]), (DRAWS, 1))
        params = {**params, "scale": jax.vmap(lambda y: fit_scale(y, "rank"))(labels)}
    few = graphs[np.arange(4)]
    grads = jax.jit(jax.grad(lambda p: jnp.sum(loaded.predict_fn(p, few))))(params)
    leaves = jax.tree.leaves(grads)
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert any(np.any(leaf != 0) for leaf in leaves)


def test_a_row_that_is_no_graph_is_nan(loaded, graphs):
    few = graphs[np.arange(3)]
    broken = few.replace(ops=np.where([[False], [True], [False]], 99, few.ops))
    scores = np.asarray(loaded.predict_fn(loaded.params, broken))
    np.testing.assert_array_equal(np.isnan(scores), [False, True, False])


# What is wrong with a folder.


def edit(folder, **changes):
    path = folder / "predictor" / "predictor.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | changes))


def missing_folder(copy):
    return copy / "nowhere"


def empty_folder(copy):
    (copy / "empty").mkdir()
    return copy / "empty"


def unfinished(copy):
    (copy / "cut").mkdir()
    (copy / "cut" / "config.json").write_text("{}")
    return copy / "cut"


def truncated(copy):
    path = copy / "predictor" / "params.npz"
    path.write_bytes(path.read_bytes()[:-200])
    return copy


def no_parameters(copy):
    (copy / "predictor" / "params.npz").unlink()
    return copy


def newer(copy):
    edit(copy, format=runs.FORMAT + 1)
    return copy


def damaged_json(copy):
    path = copy / "predictor" / "predictor.json"
    path.write_text(path.read_text()[:-20])
    return copy


def other_json(copy):
    (copy / "predictor" / "predictor.json").write_text("5\n")
    return copy


def bad_format(copy):
    edit(copy, format="1")
    return copy


def other_arrays(copy):
    edit(copy, shapes={"network/x": [1]})
    return copy


def unknown_predictor(copy):
    edit(copy, predictor="smal")
    return copy


def unknown_space(copy):
    edit(copy, space="nasbench102")
    return copy


MISTAKES = {
    missing_folder: "no such folder",
    empty_folder: "holds no run",
    unfinished: "the run is not finished",
    truncated: "params.npz: not a whole npz",
    no_parameters: "params.npz: missing",
    newer: "format 2 is newer",
    damaged_json: "predictor.json: not JSON",
    other_json: "predictor.json: not a predictor's description",
    bad_format: "predictor.json: not a predictor's description",
    other_arrays: "come from different runs",
    unknown_predictor: "did you mean 'small'",
    unknown_space: "nasbench102",
}


@pytest.mark.parametrize("damage", MISTAKES, ids=lambda damage: damage.__name__)
def test_a_mistake_is_one_line(copy, traces, damage):
    with pytest.raises(ValueError, match=MISTAKES[damage]) as caught:
        runs.load(damage(copy))
    assert "\n" not in str(caught.value)


def test_mistakes_differ():
    assert len(set(MISTAKES.values())) == len(MISTAKES) - 1


def test_another_width_is_refused(folder, traces, monkeypatch):
    monkeypatch.setitem(PREDICTORS, "small", lambda space: tnasp(len(space.ops), WIDER))
    with pytest.raises(ValueError, match=r"has shape .*16.* expects .*24") as caught:
        runs.load(folder)
    assert "\n" not in str(caught.value)
