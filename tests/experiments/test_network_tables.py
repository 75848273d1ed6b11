"""Tables 3 and 8, and our searches beside them."""

import json
from pathlib import Path

import pytest

from experiments import blocks, tables
from experiments.reports import network_tables
from experiments.shell.command import UserError

ROOT = Path(__file__).resolve().parents[2]
FOUND = {
    "space": "a_space",
    "objective": "a_surrogate",
    "description": "surrogate, not measured",
    "seeds": [0, 1],
    "budget": 1000,
    "rows": [
        {
            "limit": 433e6,
            "method": "evolution",
            "score": {"mean": 0.76541, "std": 0.00123},
            "best": {"score": 0.7662, "params": 5_432_100, "flops": 432_600_000},
        }
    ],
}


SUPERNET = {
    "table": "nb201digits",
    "sampling": "fairnas",
    "steps": 200,
    "paths_per_step": 5,
    "n_archs": 1000,
    "eval_target": "a_label",
    "targets": {"a_label": "what it is"},
    "seeds": [0, 1],
    "kendall_tau": {"mean": 0.2, "std": 0.01},
    "mean_accuracy": [0.8, 0.9],
}


TRAINED = {
    "space": "darts",
    "retrained": [
        {
            "name": name,
            "seed": 3,
            "test_accuracy": accuracy,
            "train_accuracy": 0.5,
            "params": 47_426,
            "epochs": 6,
            "seconds": 61.4,
        }
        for name, accuracy in (("best_0", 0.41236), ("random_1", 0.4))
    ],
    "supernet": {"steps": 200, "paths_per_step": 7},
    "scored": {"n_archs": 150},
    "predictor": {"name": "gp"},
    "search": {"method": "nsga2", "evaluated": 1000},
    "seconds": {"supernet": 100.0, "search": 20.0, "retrained": 122.8},
    "device": "cpu x2",
    "recipe": {
        "image_size": 16,
        "retrain_images": 10_000,
        "retrain": {"epochs": 6},
        "network": {"channels": 8, "layers": 5},
    },
}


def write(folder, text, of=network_tables.FOLDER):
    path = folder / of / "mine.json"
    path.parent.mkdir()
    path.write_text(text)


def test_ours_stand_apart_and_say_what_they_are(tmp_path):
    write(tmp_path, json.dumps(FOUND))
    *published, ours = network_tables.sections(tmp_path)
    assert [section.title[:7] for section in published] == ["Table 3", "Table 8"]
    assert all("was run here" in str(section.notes) for section in published)
    assert "surrogate, not measured" in ours.notes
    assert ours.grid[1] == ["433", "evolution", "76.54 (0.12)", "76.62", "5.43", "433"]


def test_networks_that_were_trained_say_how(tmp_path):
    write(tmp_path, json.dumps(TRAINED))
    table3, ours, _ = network_tables.sections(tmp_path)
    assert "no such training was run here" in str(table3.notes)
    assert ours.title == (
        "Ours, DARTS space, CIFAR-10: 6 epochs of 8 channels and 5 layers at 16 x 16"
    )
    assert ours.grid[1] == ["found 1, seed 3", "41.24", "50.00", "0.047", "6", "61"]
    assert ours.grid[2][:2] == ["random 2, seed 3", "40.00"]
    said = " ".join(ours.notes)
    for words in (
        "not comparable with Table 3",
        "trained on 10,000 images",
        "1,000 architectures searched by nsga2 with gp",
        "learnt 150 accuracies of a supernet (200 steps of 7 paths); 120 s on cpu x2",
    ):
        assert words in said


def test_the_page_shows_the_networks_that_were_trained():
    page = (ROOT / "docs" / "darts.md").read_text()
    made = tables.of_trained(ROOT / "results")
    assert blocks.marked(page, "trained_darts") == made


def test_supernets_come_first_and_only_where_there_are_any(tmp_path):
    assert network_tables.supernets(tmp_path) == []
    write(tmp_path, json.dumps(SUPERNET), network_tables.SUPERNETS)
    (section,) = network_tables.supernets(tmp_path)
    row = ["fairnas", "200", "1,000", "1,000", "0.200 (sd 0.010)", "85.0"]
    assert section.grid[1] == row
    assert "ranked by a_label: what it is" in section.notes
    assert network_tables.sections(tmp_path)[0] == section


def test_a_supernet_stands_beside_those_of_its_table(tmp_path):
    other = {"kendall_tau": 0.47, "kendall_tau_all": 0.484}
    more = {
        "table": "nb201",
        "images": "small ones",
        "other_supernets": {"oneshot": other},
        "targets": {"a_label": "what it is", "oneshot": "of another supernet"},
    }
    write(tmp_path, json.dumps(SUPERNET | more), network_tables.SUPERNETS)
    digits = tmp_path / network_tables.SUPERNETS / "other.json"
    digits.write_text(json.dumps(SUPERNET))
    first, second = network_tables.supernets(tmp_path)
    assert "CIFAR-10" in first.title and "digits" in second.title
    assert first.grid[2:] == [
        ["oneshot, published", "-", "-", "1,000", "0.470", "-"],
        ["oneshot, published", "-", "-", "all", "0.484", "-"],
    ]
    assert {"small ones", "oneshot: of another supernet"} <= set(first.notes)


def test_published_rows(tmp_path):
    table3, table8 = network_tables.sections(tmp_path)
    assert ["TNASP, mean", "97.43 ± .04", "3.6", "0.3"] in table3.grid
    assert ["TNASP-C", "75.8", "5.3", "497"] in table8.grid
    assert {len(row) for row in table3.grid + table8.grid} == {4}


def test_the_command_shows_them_behind_the_others(tmp_path):
    write(tmp_path, json.dumps(FOUND))
    for form in ("text", "markdown"):
        told = tables.document(tmp_path, form)
        places = [told.index(name) for name in ("Table 1", "Table 8", "Ours, under")]
        assert places == sorted(places)
        assert "TNASP-B" in told and "76.54 (0.12)" in told
    assert "TNASP-B" not in tables.document(tmp_path, "markdown", short=True)


def test_a_damaged_file_is_named(tmp_path):
    write(tmp_path, "{")
    with pytest.raises(UserError, match=r"mine\.json"):
        network_tables.sections(tmp_path)
