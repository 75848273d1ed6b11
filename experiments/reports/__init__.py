"""Tables and figures from finished runs: the papers' numbers, ours, how they look."""
