"""The table of compared searches, against numbers made by hand."""

import json

from experiments.reports import search_tables


def test_the_table_of_a_comparison(tmp_path):
    def spread(mean, std):
        return {"mean": mean, "std": std}

    regret = {"10": spread(None, None), "20": spread(0.0125, 0.002)}
    regret["50"] = spread(0.0075, 0.001)
    column = {
        "target": "val",
        "eval_target": "test",
        "targets": {"val": "a validation accuracy", "test": "a test accuracy"},
        "optimum": 0.95,
        "regret_of_best": 0.0031,
        "candidates": "7 architectures",
        "methods": {"random": {"regret": regret, "seconds_per_ask": 0.123}},
    }
    found = {
        "settings": {"budget": 50, "batch": 5, "seeds": [0, 1]},
        "tables": {"nb101": column, "nb201": column},
    }
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/search_methods.json").write_text(json.dumps(found))
    lines = search_tables.document(tmp_path).splitlines()
    assert "2 seeds, 5 asked at a time" in lines[0]
    assert lines[2].startswith("| method | after 10 | after 20 | after 50 | test error")
    # 100 - 95 + 0.75.
    assert lines[4] == "| random | - | 1.25 (0.20) | 0.75 (0.10) | 5.75 | 0.12 |"
    assert any("highest" in line and "95.00 %" in line for line in lines)
    assert any("has a regret of 0.31" in line for line in lines)
    # Published numbers stand beside the benchmark that they are of, and no other one.
    assert sum("BANANAS 5.923" in line for line in lines) == 1
    assert "BANANAS" not in "\n".join(lines[len(lines) // 2 :])
