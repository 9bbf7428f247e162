"""Every script in studies and examples runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.files import REPOSITORY, call
from tests.ready_studies import STUDIES, prepare_data


def python(*arguments: object, folder: Path) -> str:
    process = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


# Those whose first trial takes a second or two; all others are among the slow tests.
BRIEF = {
    "activations.py:clothes",
    "activations.py:study",
    "anomalies.py:study",
    "digits.py:study",
    "nasbench201.py:study",
    "recommending.py:study",
    "series.py:study",
    "tabular.py:breast_cancer",
    "tabular.py:diabetes",
    "text.py:transformer",
    "translation.py:study",
}


@pytest.mark.parametrize(
    "study",
    [study if study in BRIEF else pytest.param(study, marks=pytest.mark.slow) for study in STUDIES],
)
def test_a_ready_study_runs_as_it_is(study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_data(study, tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    result = call("run", REPOSITORY / "studies" / study, "--trials", 1)
    assert "1/1 trials" in result.output
    assert "0 failed" in result.output
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("study", "where", "said"),
    [
        ("fashion_mnist.py:chain", "OPTNAS_DATA", "train-images-idx3-ubyte.gz"),
        ("activations.py:clothes", "OPTNAS_DATA", "train-images-idx3-ubyte.gz"),
        ("nasbench201.py", "OPTNAS_NASBENCH201", "set OPTNAS_NASBENCH201 to it"),
    ],
)
def test_a_study_without_its_data_says_what_to_put_where(
    study: str, where: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(where, str(tmp_path / "nowhere"))
    monkeypatch.setattr("urllib.request._opener", None)  # which remembers the proxies of its first use
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    result = call("run", REPOSITORY / "studies" / study, "--trials", 3)
    assert result.exit_code == 2, result.output
    assert "error: " in result.output
    assert said in result.output
    assert str(tmp_path / "nowhere") in result.output
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_plain_optuna_searches_with_its_own_loop(tmp_path: Path) -> None:
    output = python(REPOSITORY / "examples" / "plain_optuna.py", "--trials", 2, folder=tmp_path)
    assert "FLOPs  seq(" in output


@pytest.mark.slow
def test_the_throughput_benchmark_measures_every_loop(tmp_path: Path) -> None:
    script = REPOSITORY / "examples" / "benchmarks" / "throughput.py"
    options = ["--data", "synthetic", "--samples", 200, "--architectures", 2, "--epochs", 1, "--rounds", 1]
    options += ["--best-threads", "--tuned"]
    output = python(script, *options, "--json", "figures.json", folder=tmp_path)
    assert "trials/h" in output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert len(figures.pop("cores") and figures) == 4
    assert all(figure["trials_per_hour"] > 0 for figure in figures.values())


@pytest.mark.slow
def test_the_samplers_benchmark_searches_any_table(tmp_path: Path) -> None:
    """Ordered and unordered choices, a row that is missing, two objectives side by side and one."""
    (tmp_path / "table.csv").write_text(
        "op,width,kernel,accuracy,macs\n"
        + "".join(
            f"{op},{width},{kernel},{90 - 100 / (width * kernel) - 5 * (op == 'pool')},{width * kernel**2}\n"
            for op in ("conv", "pool")
            for width in (8, 16, 64)
            for kernel in (1, 3, 5)
            if (op, width) != ("pool", 64)
        )
    )
    script = REPOSITORY / "examples" / "benchmarks" / "samplers.py"
    options = ["--table", "table.csv", "--choices", "op,width,kernel", "--maximize", "accuracy"]
    options += ["--samplers", "ehvi,random", "--evaluations", 15, "--seeds", 2, "--json", "figures.json"]
    output = python(
        script, *options, "--minimize", "macs", "--parallel", 2, "--plot", "a.html", folder=tmp_path
    )
    assert "evaluations" in output
    assert (tmp_path / "a.html").stat().st_size > 1_000
    figures = json.loads((tmp_path / "figures.json").read_text())["samplers"]
    assert figures["ehvi"]["final_mean"] == pytest.approx(1)  # all 15 rows, none twice
    assert figures["ehvi"]["to_97%"] <= figures["ehvi"]["to_99%"] <= 15
    assert len(figures["random"]["curves"]) == 2
    python(script, *options, folder=tmp_path)
    regret = json.loads((tmp_path / "figures.json").read_text())["samplers"]["ehvi"]["curves"]
    assert all(curve[-1] == 0 and len(curve) == 15 for curve in regret)


def test_the_samplers_benchmark_searches_a_mixed_problem(tmp_path: Path) -> None:
    script = REPOSITORY / "examples" / "benchmarks" / "samplers.py"
    options = ["--problem", "dsintlftl", "--samplers", "cmaes,nsga2-20", "--evaluations", 20, 40]
    options += ["--seeds", 2, "--first-seed", 3, "--json", "figures.json"]
    python(script, *options, folder=tmp_path)
    figures = json.loads((tmp_path / "figures.json").read_text())["samplers"]
    for figure in figures.values():
        assert 0 < figure["at"]["20"]["mean"] <= figure["at"]["40"]["mean"] < 1
    assert figures["cmaes"]["repeated"] == 0
