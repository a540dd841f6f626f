"""A notebook as its user runs it: results that show themselves, the bar, and what is logged, in a real kernel."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CELLS = {
    "import": "import logging, zeroshot\nfrom skimage.data import astronaut\nnoisy = astronaut()[:48, 200:264]",
    "run": "result = zeroshot.denoise(noisy, prior='tv', sigma=10 / 255)",
    "bar": "seen = []\n"
    "zeroshot.denoise(noisy, prior='tv', sigma=10 / 255, callbacks=[\n"
    "    lambda estimate, run: seen.extend(type(one).__module__ for one in __import__('tqdm').tqdm._instances)]);\n"
    "print(sorted(set(seen)))",
    "result": "result",
    "plot": "result.plot()",
    "quiet": "zeroshot.denoise(noisy, prior='tv', sigma=10 / 255, progress=False);",
    "logged": "logging.basicConfig(level=logging.INFO)\n"
    "zeroshot.denoise(noisy, prior='fast', sigma=10 / 255, progress=False);",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each cell shows."""
    nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
    pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel")
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    class Here(AsyncKernelManager):
        """A kernel of the Python that runs the test, whatever kernels are installed."""

        @property
        def kernel_spec(self) -> Any:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="here", language="python")

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS.values()])
    folder: Path = tmp_path_factory.mktemp("notebook")
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_manager_class=Here, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return dict(zip(CELLS, (cell.outputs for cell in notebook.cells), strict=True))


def _data(outputs: list[Any]) -> dict[str, Any]:
    """What the cell's last line is shown as, in each of the kinds that a notebook may choose from."""
    (output,) = (one for one in outputs if one.output_type == "execute_result")
    return output.data


def test_a_result_is_shown_with_a_slider(shown: dict[str, list[Any]]) -> None:
    data = _data(shown["result"])
    assert 'type="range"' in data["text/html"]
    assert data["text/html"].count("<img ") == 2
    assert data["image/png"]
    assert data["text/plain"].startswith("<Restoration of 1 × 3 × 48 × 64")


def test_a_plot_is_shown_once(shown: dict[str, list[Any]]) -> None:
    (output,) = shown["plot"]
    assert output.output_type == "execute_result"
    assert len(output.data["image/png"]) > 1000


def test_the_bar_is_that_of_a_notebook(shown: dict[str, list[Any]]) -> None:
    """With ipywidgets a widget, else letters; no warning that something is missing, and nothing is left of it."""
    text = "".join(one.text for one in shown["bar"] if one.output_type == "stream")
    widgets = importlib.util.find_spec("ipywidgets") is not None
    assert "Warning" not in text
    assert ("['tqdm.notebook']" if widgets else "['tqdm.std']") in text
    assert all(one.output_type != "error" for one in shown["run"])


def test_without_progress_a_cell_shows_nothing(shown: dict[str, list[Any]]) -> None:
    assert shown["quiet"] == []


def test_what_is_logged_is_shown_where_that_is_asked_for(shown: dict[str, list[Any]]) -> None:
    text = "".join(one.text for one in shown["logged"] if one.output_type == "stream")
    assert "INFO:zeroshot:denoise with " in text
    assert "(the best of the fast ones" in text
