"""The .pth of NAS-Bench-201 gives the columns that NATS-Bench's files give."""

import pytest

from tests import official_files as official
from tnasp_jax.benchmarks import nasbench201_official
from tnasp_jax.spaces.nasbench201 import NASBench201

FORMS = {"row": official.torch_row, "zip": official.torch_zip}


@pytest.fixture(scope="module")
def texts():
    space = NASBench201()
    return [space.format(cell) for cell in space.all_architectures()]


@pytest.fixture(params=FORMS)
def read(request, texts, tmp_path, monkeypatch):
    """The columns of a .pth with these cells alone."""

    def read_(cells):
        monkeypatch.setattr(nasbench201_official, "NUM_CELLS", max(len(cells), 1))
        pickled = official.torch_pickle(official.pth_content(cells, texts))
        path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
        path.write_bytes(FORMS[request.param](pickled))
        return nasbench201_official.read(path)

    return read_


def by_hand(text):
    """A cell of two seeds, every accuracy written down."""

    def trial(last, train, **parts):
        eval_acc1es = {f"{k.replace('_', '-')}@{last}": v for k, v in parts.items()}
        epochs = {"epochs": last + 1, "net_state_dict": None}
        return {
            "train_acc1es": {0: 9.0, last: train},
            "eval_acc1es": eval_acc1es,
            **epochs,
        }

    full = {
        ("cifar10-valid", 888): trial(199, 99.0, x_valid=90.0, ori_test=89.5),
        ("cifar10-valid", 777): trial(199, 98.0, x_valid=91.0, ori_test=90.0),
        ("cifar10", 777): trial(199, 97.0, ori_test=93.25),
    }
    less = {
        ("cifar10-valid", 777): trial(11, 80.0, x_valid=71.0, ori_test=70.0),
        ("cifar10-valid", 111): trial(11, 81.0, x_valid=72.0, ori_test=70.5),
        ("cifar10", 777): trial(11, 82.0, ori_test=74.5),
    }
    return {
        name: {
            "arch_index": 0,
            "arch_str": text,
            "dataset_seed": {
                dataset: [seed for d, seed in trials if d == dataset]
                for dataset in ("cifar10-valid", "cifar10")
            },
            "all_results": trials,
        }
        for name, trials in (("full", full), ("less", less))
    }


def test_a_cell_by_hand(read, texts):
    assert read({0: by_hand(texts[0])}) == {
        "index": ["0"],
        "arch_str": [texts[0]],
        "c10v_train_acc": ["98.5"],
        "c10v_val_acc": ["90.5"],
        "c10v_test_acc": ["89.75"],
        "c10_test_acc": ["93.25"],
        "c10_val_12ep": ["72.0"],
        "c10_test_12ep": ["74.5"],
    }


def test_the_same_numbers_from_both_benchmarks(read, texts, tmp_path):
    seeds = {0: (777,), 1: (888, 777), 2: (777, 888, 999)}
    cells = {i: official.pth_cell(i, texts[i], seeds[i % 3]) for i in range(12)}
    found = read(cells)
    nats = {i: official.nats_cell(i, texts[i], seeds[i % 3]) for i in range(12)}
    path = tmp_path / "NATS-tss.pickle.pbz2"
    path.write_bytes(official.pbz2({"arch2infos": nats}))
    assert found == nasbench201_official.read(path)


def test_the_first_version_lacks_a_column(read, texts):
    cells = {i: official.pth_cell(i, texts[i]) for i in range(3)}
    first = {i: official.pth_cell(i, texts[i], first_version=True) for i in range(3)}
    expected = read(cells)
    expected.pop("c10_test_12ep")
    assert read(first) == expected


def test_a_tensor_is_no_accuracy(read, texts):
    cell = by_hand(texts[0])
    trial = cell["full"]["all_results"]["cifar10", 777]
    trial["eval_acc1es"] = {
        "ori-test@199": official.Call(
            official.Name("torch._utils", "_rebuild_tensor_v2")
        )
    }
    with pytest.raises(ValueError, match="no accuracy of ori-test after 200 epochs"):
        read({0: cell})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cells: cells.pop(1), "cell 1 is missing"),
        (lambda cells: cells[1].pop("full"), "cell 1: no accuracy of train after 200"),
        (lambda cells: cells[1].pop("less"), "cell 1: no accuracy of x-valid after 12"),
        (lambda cells: cells.update({1: 5}), "cell 1: no accuracy of train"),
        (lambda cells: cells[1]["full"].update(arch_str="?"), "cell 1: expected |"),
        (
            lambda cells: cells[1]["less"]["dataset_seed"].pop("cifar10"),
            "cell 1: no accuracy of ori-test after 12 epochs on cifar10",
        ),
    ],
)
def test_what_a_cell_lacks(read, texts, change, message):
    cells = {i: official.pth_cell(i, texts[i]) for i in range(3)}
    assert read(cells)
    change(cells)
    with pytest.raises(ValueError) as caught:
        read(cells)
    assert message in str(caught.value) and "\n" not in str(caught.value)
