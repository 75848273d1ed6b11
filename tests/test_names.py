"""What is said of names that are not known."""

from tnasp_jax.names import unknown


def test_the_nearest_known_name_is_asked_for():
    said = unknown("space", "nasbench21", ["nasbench101", "nasbench201"])
    assert said == (
        "unknown space 'nasbench21'; did you mean 'nasbench201'? "
        "expected one of nasbench101, nasbench201"
    )
    assert unknown("method", "x", ["local"]) == (
        "unknown method 'x'; expected one of local"
    )
    said = unknown("predictor", "best_without", ["best"], ["best_without_it"])
    assert said.endswith("did you mean 'best_without_it'? expected one of best")
