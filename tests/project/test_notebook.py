"""A notebook: what cells show of runs, sweeps and pictures, in a real kernel."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from extras import extra
from sweeping import SMALL, epochs_of

CELLS = {
    "setup": f"import framework\nSMALL = {SMALL!r}",
    "run": 'result = framework.run(*SMALL, "optimizer.lr=0.05", "hydra.run.dir=single")\nresult',
    "loaded": "framework.load(result.folder)",
    "curves": "result.plot()",
    "history": "result.history",
    "sweep": 'sweep = framework.sweep(*SMALL, "optimizer=adam,sgd", "optimizer.lr=0.01,0.1", "seed=0,1")\nsweep',
    "picture": "sweep.plot()",
    "rows": 'sweep[sweep["optimizer"] == "adam"]',
    "means": 'sweep[sweep["optimizer"] == "adam"].by_setting()',
    "planned": 'framework.sweep(*SMALL, "seed=0,1", "plan=true")',
}


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Execute all cells in one kernel; return the folder and each cell's outputs by name."""
    nbclient, nbformat = extra("nbclient", "notebook"), extra("nbformat", "notebook")
    extra("ipykernel", "notebook")
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in CELLS.values()])
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(folder / name.lower()))  # no kernels and no settings of the user's
        client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3")
        client.execute(cwd=str(folder))
    return folder, {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


@pytest.fixture
def shown(executed):
    """Return the mime bundle of a cell's value."""

    def bundle(name):
        (found,) = [output for output in executed[1][name] if output.output_type == "execute_result"]
        return found

    return bundle


def cells(html):
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?>(.*?)</tr>", html, re.DOTALL)]


@pytest.mark.parametrize("name", ["run", "loaded"])
def test_a_run_is_a_table_of_its_figures(executed, shown, name):
    (recorded,) = [row["values"] for row in epochs_of(executed[0] / "single") if row["epoch"] is None]
    html, text = shown(name).data["text/html"], shown(name).data["text/plain"]
    rows = {row[0]: row[1:] for row in cells(html)}
    assert rows[""] == ["loss", "accuracy"]
    for split, figures in {"training": "kept/train", "validation": "kept/val", "test": "test"}.items():
        assert rows[split] == [f"{recorded[f'{figures}/{figure}']:.4f}" for figure in ("loss", "accuracy")]
    assert f"test/loss {recorded['test/loss']:.4f}" in text
    assert len(text.splitlines()) == 1


def test_a_sweep_is_a_table_of_settings(shown):
    html = shown("sweep").data["text/html"]
    settings = [row[0] for row in cells(html)[1:]]
    assert sorted(settings) == ["adam lr=0.01", "adam lr=0.1", "sgd lr=0.01", "sgd lr=0.1"]
    assert html.count("±") == 8
    assert "8 runs in 4 settings" in html


def test_a_sweep_prints_its_plan_and_no_second_table(executed):
    printed = "".join(output.text for output in executed[1]["sweep"] if output.output_type == "stream")
    assert "8 runs in 2 groups" in printed
    assert "±" not in printed


@pytest.mark.parametrize("name", ["curves", "picture"])
def test_pictures_are_shown(shown, name):
    output = shown(name)
    data = base64.b64decode(output.data["image/png"])
    assert data.startswith(b"\x89PNG")
    size = output.metadata["image/png"]
    assert int.from_bytes(data[16:20], "big") == pytest.approx(1.5 * size["width"], abs=2)
    assert "Figure" not in output.data["text/plain"]


def test_a_history_and_the_rows_of_a_sweep_are_frames(shown):
    assert cells(shown("history").data["text/html"])[0][1] == "step"
    assert shown("history").data["text/html"].count("<tr") == 4  # heads and three epochs
    assert shown("rows").data["text/html"].count("adam lr=") >= 4
    assert "sgd" not in shown("rows").data["text/html"]
    assert shown("means").data["text/html"].count("<tr") == 3


def test_a_plan_has_no_runs(executed, shown):
    assert "no runs" in shown("planned").data["text/html"]
    assert "Nothing was started" in "".join(
        output.text for output in executed[1]["planned"] if output.output_type == "stream"
    )


def test_nothing_is_written_beside_runs_and_sweeps(executed):
    names = {path.name for path in Path(executed[0]).iterdir() if not path.name.startswith(("jupyter_", "ipython"))}
    assert names == {"single", "multirun"}
