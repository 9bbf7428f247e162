"""What a worker had done when it ended is not done again."""

from __future__ import annotations

import signal
from collections import defaultdict
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from optnas.run.command import run_command
from optnas.run.files import load_study
from optnas.run.options import RunOptions
from optnas.run.worker import work
from optnas.storages.opening import open_storage
from optnas.trials.record import WORKER
from optnas.trials.rungs import rungs_of
from tests.files import call, finish, start
from tests.watched import EPOCHS, STEPS, evaluations, steps, watched_study

# In the middle of the third epoch, which the rung of two epochs is before and that of four behind.
BETWEEN_RUNGS = 2 * STEPS + 2


def trials(folder: Path) -> list[FrozenTrial]:
    storage = open_storage(f"sqlite:///{folder}/optnas.db")
    return optuna.load_study(study_name="watched", storage=storage).trials


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where a search of one trial ran from start to end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = load_study(str(watched_study(folder)))
    work(study, study.open(open_storage(f"sqlite:///{folder}/optnas.db")), 1)
    return folder


def test_a_run_that_is_killed_between_rungs_goes_on_from_the_last(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = watched_study(tmp_path, at=BETWEEN_RUNGS)
    run = start("run", file, "--trials", 1, "--workers", 1, "--threads", 1, folder=tmp_path)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == -signal.SIGKILL, output
    (kept,) = (tmp_path / "optnas-artifacts").iterdir()
    assert kept.suffix == ".safetensors"

    run_here(file)

    assert_gone_on(tmp_path, undisturbed, lost=BETWEEN_RUNGS - 2 * STEPS - 1)


@pytest.mark.parametrize("by", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_trial_that_a_signal_put_back_goes_on_with_the_next_step(
    by: str, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = watched_study(tmp_path, at=BETWEEN_RUNGS, by=by)
    with pytest.raises(KeyboardInterrupt):
        run_here(file)
    assert [trial.state for trial in trials(tmp_path)] == [TrialState.WAITING]

    run_here(file)

    assert_gone_on(tmp_path, undisturbed, lost=0)


def run_here(file: Path, artifacts: str | None = None) -> None:
    # Not published: to draw the network, its costs are counted, which calls the op that notes every call.
    options = RunOptions(trials=1, workers=1, threads=1, artifacts=artifacts, publish=False)
    run_command(str(file), "sqlite:///optnas.db", options, Console(quiet=True))


def assert_gone_on(folder: Path, undisturbed: Path, lost: int) -> None:
    assert steps(folder) == EPOCHS * STEPS + lost, "no more is repeated"
    (found,), (expected,) = trials(folder), trials(undisturbed)
    assert found.state == TrialState.COMPLETE
    assert found.params == expected.params
    assert found.values == expected.values
    assert rungs_of(found) == rungs_of(expected)
    assert evaluations(folder) == evaluations(undisturbed), "every weight is the same, at each rung"
    assert not list((folder / "optnas-artifacts").iterdir())


@pytest.mark.slow
def test_workers_of_whom_one_is_killed_promote_trials_and_repeat_no_rung(tmp_path: Path) -> None:
    # So many widths that no two trials are the same candidate.
    file = watched_study(
        tmp_path,
        width="integer(1, 200, name='width')",
        at=2,
        after=5 * STEPS,
        more="pruner='pareto-promotion',",
    )
    # Not published, as drawings are kept where checkpoints are.
    arguments = ["--trials", 16, "--workers", 2, "--threads", 1, "--no-publish"]
    finish(start("run", file, *arguments, folder=tmp_path))

    found = trials(tmp_path)
    assert len(found) == 16
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in found)
    assert sum(WORKER.get(trial, {})["attempt"] == 2 for trial in found) == 1
    promotions = [trial for trial in found if trial.user_attrs.get("promotes") is not None]
    assert promotions
    for trial in promotions:
        paused = found[trial.user_attrs["promotes"]]
        assert trial.params == paused.params
        assert trial.user_attrs["resumed"] == paused.user_attrs["paused"]
        assert trial.user_attrs["run"]["seed"] == paused.user_attrs["run"]["seed"]
    epochs = defaultdict(int)
    for trial in found:
        reached = EPOCHS if trial.state == TrialState.COMPLETE else trial.user_attrs["paused"]
        epochs[trial.params["width"]] = max(epochs[trial.params["width"]], reached)
    repeated = {width: steps(tmp_path, width) - STEPS * reached for width, reached in epochs.items()}
    assert sorted(repeated.values()) == [0] * (len(epochs) - 1) + [1], "but for a step of the lost epoch"
    promoted = {trial.user_attrs["promotes"] for trial in promotions}
    paused = [t for t in found if t.state == TrialState.PRUNED and t.number not in promoted]
    assert len(list((tmp_path / "optnas-artifacts").iterdir())) == len(paused)


@pytest.mark.parametrize(
    ("rungs", "state"), [(2, TrialState.FAIL), (1, TrialState.COMPLETE)], ids=["no further", "a rung further"]
)
def test_a_trial_is_given_up_that_kills_its_worker_for_the_third_time_at_the_same_place(
    rungs: int, state: TrialState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = watched_study(tmp_path, at=BETWEEN_RUNGS, by="SIGINT")
    with pytest.raises(KeyboardInterrupt):
        run_here(file)
    assert list((tmp_path / "optnas-artifacts").iterdir())
    (trial,) = trials(tmp_path)
    storage = open_storage("sqlite:///optnas.db")
    storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    gone = {**WORKER.get(trial, {}), "pid": 2**22 + 1, "attempt": 3, "rungs": rungs}
    storage.set_trial_system_attr(trial._trial_id, WORKER.name, gone)

    run_here(file)

    assert trials(tmp_path)[0].state == state
    assert not list((tmp_path / "optnas-artifacts").iterdir())


@pytest.mark.parametrize(
    ("place", "found"), [(None, "of the study"), ("elsewhere", "elsewhere"), ("none", None)]
)
def test_checkpoints_are_kept_where_they_are_wanted(
    place: str | None, found: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more = "artifacts='of the study',"
    file = watched_study(tmp_path, at=BETWEEN_RUNGS, by="SIGTERM", more=more)
    with pytest.raises(KeyboardInterrupt):
        run_here(file, place)
    folders = [path.name for path in tmp_path.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert folders == ([] if found is None else [found])


def test_a_place_where_nothing_can_be_kept_is_told_before_the_first_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = watched_study(tmp_path)
    (tmp_path / "taken").touch()
    said = call("run", file, "--artifacts", "taken")
    assert said.exit_code == 2
    assert said.stderr.startswith("error: artifacts cannot be kept: File exists: taken; ")
    assert said.stderr.count("\n") == 1
    assert not steps(tmp_path)
