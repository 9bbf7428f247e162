"""A storage that goes away while a study runs ends the run in words, and nothing is lost without a word."""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna
import pytest

from optnas.storages.opening import open_storage
from tests.files import call, quick_study

DELETE_STUDY = (
    "import optuna; from optnas.storages.opening import open_storage;"
    " optuna.delete_study(study_name='quick', storage=open_storage({url!r}))"
)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def harmful(folder: Path, harm: str) -> Path:
    """Write a study whose sixth trial does harm to its storage, and whose others do nothing."""
    file = quick_study(folder)
    file.write_text(
        file.read_text().replace(
            "    time.sleep(0.0)",
            "    import os, shutil, sqlite3\n"
            "    from pathlib import Path\n"
            f"    if len(list(Path('kept').iterdir())) == 5:\n        {harm}\n"
            "    Path(f'kept/{time.time_ns()}').touch()",
        )
    )
    return file


SQLITE = "sqlite:///stored/optnas.db"
OTHER = "sqlite3.connect('o.db').execute('create table t(x)'); os.replace('o.db', 'stored/optnas.db')"
DROP = "with sqlite3.connect('stored/optnas.db') as c: c.execute('drop table trial_user_attributes')"


HARMS = [
    (SQLITE, "os.remove('stored/optnas.db')", "stored/optnas.db was deleted while"),
    (SQLITE, OTHER, "stored/optnas.db was replaced by another file"),
    (SQLITE, "shutil.rmtree('stored')", "stored/optnas.db was deleted"),
    (SQLITE, "os.remove('stored/optnas.db-wal')", "stored/optnas.db-wal was deleted"),
    (SQLITE, DROP, "no such table: trial_user_attributes"),
    (SQLITE, DELETE_STUDY.format(url=SQLITE), "study 'quick' was deleted from the storage"),
    ("stored/a.log", "os.remove('stored/a.log')", "stored/a.log was deleted"),
    ("stored/a.log", "shutil.rmtree('stored')", "stored/a.log was deleted"),
    ("stored/a.log", "os.truncate('stored/a.log', 300)", "stored/a.log was cut off"),
    ("stored/a.log", "Path('stored/a.log').write_text('x' * 99999)", "replaced by another file"),
    ("stored/a.log", DELETE_STUDY.format(url="stored/a.log"), "study 'quick' was deleted"),
]


@pytest.mark.parametrize(
    ("url", "harm", "said", "workers"),
    # What one worker notices, each of several does.
    [
        *((*harm, 1) for harm in HARMS),
        *(pytest.param(*HARMS[number], 2, marks=pytest.mark.slow) for number in (0, 6)),
    ],
)
def test_a_storage_that_goes_away_ends_the_run_within_a_trial(
    tmp_path: Path, url: str, harm: str, said: str, workers: int
) -> None:
    (tmp_path / "stored").mkdir()
    file = harmful(tmp_path, harm)
    result = call("run", file, "--trials", 60, "--workers", workers, "--storage", url)
    assert result.exit_code == 3, result.output
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    assert "Traceback" not in result.output
    assert len(list((tmp_path / "kept").iterdir())) < 5 + 2 * workers, "no trial is begun any more"


@pytest.mark.parametrize(
    "harm", ["os.remove('optnas.db')", "os.remove('optnas.db-wal')", OTHER.replace("stored/", "")]
)
def test_what_a_deleted_database_held_is_saved_and_gone_on_with(tmp_path: Path, harm: str) -> None:
    file = harmful(tmp_path, harm)
    result = call("run", file, "--trials", 60, "--workers", 1)
    url = "sqlite:///optnas-rescued.db"
    assert f"go on with --storage {url}" in result.output
    study = optuna.load_study(study_name="quick", storage=open_storage(url))
    # Those of a width that came twice are not evaluated.
    assert [trial.state.name for trial in study.trials].count("COMPLETE") >= 5
    file = quick_study(tmp_path)
    assert call("run", file, "--trials", 8, "--workers", 1, "--storage", url).exit_code == 0


def test_a_worker_does_not_make_a_deleted_storage_anew(tmp_path: Path) -> None:
    (tmp_path / "stored").mkdir()
    file = harmful(tmp_path, "shutil.rmtree('stored'); os.kill(os.getpid(), 9)")
    result = call("run", file, "--trials", 60, "--workers", 2, "--storage", SQLITE)
    assert result.exit_code == 3
    assert not Path("stored/optnas.db").exists()
    shutil.rmtree("stored", ignore_errors=True)
