"""Runs that stop before their total, baselines, and callbacks: on the command line and from Python."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from optnas import Study, UserError, integer, maximize, minimize, ops
from optnas.cli import search
from optnas.run.baselines import params_of
from optnas.run.files import load_study
from optnas.run.limits import Limits
from optnas.run.options import seconds_of
from optnas.storages.opening import open_storage
from optnas.storages.waiting import now
from optnas.trials.progress import trials_since_front_moved
from tests.files import REPOSITORY, assert_refused, call, quick_study

STORAGE = "sqlite:///optnas.db"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick_study(tmp_path)


def trials() -> list[FrozenTrial]:
    return optuna.load_study(study_name="quick", storage=STORAGE).trials


def declared(evaluate: Callable[..., dict[str, float]] | None = None, name: str = "mine") -> Study:
    def scored(candidate, report):
        width = candidate.params["width"]
        return {"score": -abs(width - 40), "size": width}

    return Study(
        name=name,
        space=ops.seq(ops.conv(integer(1, 64, name="width")), ops.relu()),
        evaluate=evaluate or scored,
        objectives=[maximize("score"), minimize("size")],
        sampler="random",
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), (0.5, 0.5)],
)
def test_a_time_span_is_read_as_people_write_it(text: str | float, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "30x", "-5", "0", "0m", "1.2.3s", "m", "30m1h"])
def test_what_is_no_time_span_is_refused_before_anything_is_written(text: str) -> None:
    result = call("run", "quick.py", f"--timeout={text}")
    assert_refused(result, "give a time such as 90s, 30m or 1h30m")
    assert not Path("optnas.db").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_timeout_ends_the_run_after_the_trials_that_run(workers: int, tmp_path: Path) -> None:
    quick_study(tmp_path, seconds=0.3)
    result = call("run", "quick.py", "--timeout", "0.7", "--trials", 1000, "--workers", workers)
    assert result.exit_code == 0, result.output
    assert "Stopped: the time is up" in result.output
    assert all(trial.state == TrialState.COMPLETE for trial in trials())
    assert len(trials()) < 100
    before = len(trials())
    assert call("run", "quick.py", "--trials", before + 1, "--workers", 1).exit_code == 0
    assert len(trials()) == before + 1


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_stops_when_the_front_has_not_moved_for_so_many_trials_over_all_runs(workers: int) -> None:
    result = call("run", "quick.py", "--patience", 5, "--trials", 1000, "--workers", workers)
    assert "the front has not moved for" in result.output
    before = len(trials())
    study = optuna.load_study(study_name="quick", storage=STORAGE)
    assert 5 <= trials_since_front_moved(study, trials()) < 5 + workers
    again = call("run", "quick.py", "--patience", 5, "--trials", 1000, "--workers", workers)
    assert "a larger --patience goes on" in again.output
    assert len(trials()) == before


def test_only_trials_that_improve_the_front_move_it() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    still = []
    for values in [(1, 5), (1, 5), (0, 6), (2, 9), None, (1, 4), (1.5, 4)]:
        trial = study.ask()
        study.tell(trial, values, state=TrialState.PRUNED if values is None else None)
        still.append(trials_since_front_moved(study, study.trials))
    assert still == [0, 1, 2, 0, 1, 0, 0]


@pytest.mark.parametrize(
    "text", ["seq(conv(40), relu)", "width=40", '{"width": 40}', "seq(conv(width=40), relu)"]
)
def test_a_baseline_is_run_first_and_once(text: str) -> None:
    arguments = ("run", "quick.py", "--workers", 1, "--enqueue", text, "--enqueue", "width=7")
    assert call(*arguments, "--trials", 3).exit_code == 0
    assert [trial.params["width"] for trial in trials()[:2]] == [40, 7]
    assert call(*arguments, "--trials", 5).exit_code == 0
    assert len(trials()) == 5
    assert [trial.params["width"] for trial in trials()[3:]] != [40, 7]
    more = call(*arguments, "--enqueue", "width=9", "--trials", 5)
    assert_refused(more, "has 5 trials already: give --trials 6 or more to run what is enqueued")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seq(conv(400), relu)", "not an architecture of this space"),
        ("seq(conv(40), rleu)", "relu"),
        ("width=400", "400"),
        ("widht=40", "did you mean 'width'"),
        ('{"width": 40', "no JSON"),
        ("{}[]", "no JSON"),
        ("seq(conv(integer(1, 9)), relu)", ""),
    ],
)
def test_a_baseline_that_is_not_of_the_space_is_refused_before_anything_is_written(
    text: str, said: str
) -> None:
    assert_refused(call("run", "quick.py", "--enqueue", "width=3", "--enqueue", text), said)
    assert not Path("optnas.db").exists()


def test_a_study_runs_from_python_and_has_its_front_as_a_table() -> None:
    study = declared()
    seen = []
    opened = study.run(
        trials=6,
        enqueue=[{"width": 40}, "width=20", ops.seq(ops.conv(30), ops.relu())],
        callbacks=[lambda study, trial: seen.append((study.study_name, trial.number, trial.values))],
    )
    assert [trial.params["width"] for trial in opened.trials[:3]] == [40, 20, 30]
    assert seen == [("mine", trial.number, trial.values) for trial in opened.trials]
    table = study.front()
    columns = [name for name in table.columns if name != "equal"]  # where there are ties
    assert columns == ["number", "score", "size", "architecture", "seconds", "width"]
    assert table["architecture"][0] == "seq(conv(40), relu)"
    assert table.equals(declared().front(STORAGE))
    assert table.equals(declared().front(open_storage(STORAGE)))
    assert len(declared().open(STORAGE).trials) == 6
    with pytest.raises(UserError, match="no study 'other'"):
        declared(name="other").front(STORAGE)


def test_a_callback_stops_a_run_as_it_stops_optunas_own() -> None:
    def stop(study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.number == 2:
            study.stop()

    assert len(declared().run(trials=50, callbacks=[stop]).trials) == 3
    assert len(declared().run(trials=50, callbacks=[optuna.study.MaxTrialsCallback(5, None)]).trials) == 5


def test_an_error_in_a_callback_is_raised_and_loses_no_trial() -> None:
    def broken(study: optuna.Study, trial: FrozenTrial) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        declared().run(trials=5, callbacks=[broken])
    assert [trial.state for trial in declared().open(STORAGE).trials] == [TrialState.COMPLETE]


def test_several_workers_need_a_file() -> None:
    with pytest.raises(UserError, match=r"write it into a \.py file, or give workers=1"):
        declared().run(trials=4, workers=2)


CALL = """
    seen = []
    study.run(trials=4, workers=2, callbacks=[lambda study, trial: seen.append(trial.number)])
    print("seen", sorted(seen))
    print(len(study.front()) > 0)
"""


def test_several_workers_load_the_file_that_calls_them() -> None:
    text = Path("quick.py").read_text()
    Path("quick.py").write_text(f'{text}\nif __name__ == "__main__":{CALL}')
    done = subprocess.run(
        [sys.executable, "quick.py"],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "seen [0, 1, 2, 3]\nTrue" in done.stdout


def test_a_file_that_runs_itself_wherever_it_is_loaded_is_told() -> None:
    Path("quick.py").write_text(Path("quick.py").read_text() + "\nstudy.run(trials=2)\n")
    assert_refused(call("run", "quick.py"), 'put it under if __name__ == "__main__":')
    assert len(runpy.run_path("quick.py")["study"].front()) > 0


@pytest.mark.parametrize("calls", ["study.run(trials=2, workers=2)", "def main():\n    {}\nmain()"])
@pytest.mark.parametrize("guarded", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_workers_of_a_script_that_would_run_itself_in_each_are_refused_before_anything_is_written(
    calls: str, guarded: bool
) -> None:
    lines = calls.format("study.run(trials=2, workers=2)").splitlines()
    if guarded:
        lines[-1] = f'if __name__ == "__main__":\n    {lines[-1]}'
    Path("quick.py").write_text("\n".join([Path("quick.py").read_text(), *lines]))
    done = subprocess.run(
        [sys.executable, "quick.py"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == (0 if guarded else 1), done.stderr
    assert ("UserError: study.run would run again wherever this file is loaded" in done.stderr) != guarded
    assert Path("optnas.db").exists() == guarded


def test_a_limit_says_which_one_it_is() -> None:
    study = optuna.create_study()
    assert Limits().reached(study) is None
    assert Limits(until=now() + 100).reached(study) is None
    assert "time is up" in (Limits(until=now() - 1).reached(study) or "")


def test_the_baselines_that_readme_and_help_show_are_of_the_studies_they_stand_by() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    shown = re.findall(r'--enqueue "(.*?)"', readme + str(search.run.__doc__))
    block = re.search(r"```python\n(from optnas import Study.*?)```", readme, re.DOTALL)
    assert len(shown) == 2
    assert block is not None
    Path("readme.py").write_text(block[1])
    assert call("init", "started.py").exit_code == 0
    for file in ("readme.py", "started.py"):
        for text in shown:
            assert params_of(load_study(file), text)["layer0.width"] == 16
