"""Rows of a user's own file: where they end."""

import json

from tnasp_jax.benchmarks.custom_rows import read_rows


def test_a_line_of_jsonl_ends_where_json_says(tmp_path):
    fields = {"ops": ["input", "output"], "edges": [[0, 1]], "note": "a\u2028b\x85c"}
    path = tmp_path / "cells.jsonl"
    line = json.dumps(fields, ensure_ascii=False)
    for ending in ("\n", "\r\n", "\r"):
        path.write_text(ending.join([line, "", line]), newline="")
        _, rows = read_rows(path)
        assert [(row.line, row.fields) for row in rows] == [(1, fields), (3, fields)]
