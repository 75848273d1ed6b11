"""docs/ as a site: it builds without a warning, and what it repeats is the README's."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def text(name: str) -> str:
    return (ROOT / name).read_text()


def test_the_site_builds(tmp_path):
    """Strict: a dead link, a page outside of the navigation and a missing name fail."""
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={tmp_path}"],
        cwd=ROOT,
        env={"PATH": "", "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    assert 'not included in the "nav"' not in built.stderr
    reference = (tmp_path / "reference" / "tnasp_jax.html").read_text()
    assert "get_predictor" in reference and "Raises:" in reference


def test_the_first_steps_repeat_what_the_readme_runs():
    (block,) = re.findall(r"```python\n(.*?)```", text("docs/tutorial.md"), re.DOTALL)
    assert block in text("README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_name_what_exists(page):
    for module in re.findall(r"python -m (experiments\.\w+)", page.read_text()):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for name in re.findall(r"--flagfile=(experiments/\S+\.flags)", page.read_text()):
        made_by_the_page = f"`{name}`, the recipe" in page.read_text()
        assert made_by_the_page or (ROOT / name).is_file(), name


def test_figures_of_the_pages_are_those_of_the_results():
    """Pages of the site cannot show a file beside docs/, so that some stand twice."""
    figures = {path.name: path for path in (ROOT / "results/figures").glob("*.png")}
    shown = [p for p in (ROOT / "docs/images").glob("*.png") if p.name in figures]
    assert shown
    for path in shown:
        assert path.read_bytes() == figures[path.name].read_bytes(), path.name


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "```python" in page.read_text()],
    ids=lambda page: page.stem,
)
def test_a_test_runs_the_python_of_a_page(page):
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    assert any(page.name in text and "exec(" in text for text in tests)
