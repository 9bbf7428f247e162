"""What a person types, and what they are told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy
import pytest
from PIL import Image

from optnas.pruners.registry import PRUNERS
from optnas.run.files import load_study
from optnas.run.template import KINDS
from optnas.run.worker import work
from optnas.samplers.registry import SAMPLERS
from optnas.storages.opening import open_storage
from tests.files import assert_refused, call, quick_study, start


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    monkeypatch.setattr("optnas.storages.opening._FIRST_CONTACT_SECONDS", 0.1)


STUDY = """
from optnas import *
from optnas import data, ops, tasks
import numpy as np

study = Study(
    name="bad",
    space=ops.seq(ops.conv(choose(4, 8, name="width")), ops.relu(), ops.head()),
    task=tasks.classification({data}),
    objectives=[{objectives}],
    {more}
)
"""
TABLE = "data.sklearn('iris')"
GOOD = {"data": "data.digits()", "objectives": "maximize('accuracy'), minimize('flops')", "more": ""}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"more": "sampler='tpee',"}, "did you mean 'tpe'?"),
        ({"more": "pruner='halving',"}, "did you mean 'pareto-halving'?"),
        ({"more": "constraints=['params < '],"}, "'params < ' is not"),
        ({"more": "constraints=['parms <= 3'],"}, "did you mean 'params'?"),
        ({"more": "training=Training(optimizer='adamm'),"}, "did you mean 'adam"),
        ({"more": "training=Training(epochs=0),"}, "epochs=0"),
        ({"more": "training=Training(batch_size=-1),"}, "batch_size=-1"),
        ({"more": "training=Training(lr=choose(0.1, 0.0)),"}, "lr=0.0"),
        ({"more": "training=Training(device='cuda:99'),"}, "device 'cuda:99' cannot be used"),
        (
            {"more": "training=Training(device='cpu', precision='tf32'),"},
            "'tf32' is of NVIDIA GPUs, not of cpu",
        ),
        ({"more": "training=Training(crop=8),"}, "Training(crop=8): it must be less than the images"),
        ({"more": "training=Training(crop=integer(0, 9)),"}, "Training(crop=9): it must be less than"),
        ({"data": TABLE, "more": "training=Training(flip=True),"}, "crop, flip, rotate, cutout"),
        ({"data": TABLE, "more": "training=Training(cutout=choose(0, 2)),"}, "are for images"),
        ({"objectives": "maximize('accurracy')"}, "did you mean 'accuracy'?"),
        ({"objectives": ""}, "objectives are a list"),
        (
            {"objectives": "maximize('accuracy'), minimize('accuracy')"},
            "two objectives are called 'accuracy'",
        ),
        ({"more": "constraints='params <= 9',"}, "constraints are a list"),
        ({"more": "costs={'flops': 3},"}, "costs= takes a function"),
        ({"more": "shape=8,"}, "8 is not a shape"),
        ({"objectives": "maximize('__import__(1)')"}, "not understood"),
        ({"data": "data.tensors(np.zeros((9, 1, 8, 8)), np.zeros(8))"}, "do not fit 9 inputs"),
        ({"data": "data.tensors(np.zeros((9, 1, 8, 8)), np.full(9, -1))"}, "is negative"),
        ({"data": "data.tensors(np.zeros((9, 1, 8, 8)), [0, 3] * 4 + [0])"}, "no sample is of class 1"),
        ({"data": "data.tensors(np.full((9, 1, 8, 8), np.nan), np.zeros(9))"}, "not a finite number"),
        ({"data": "data.tensors(np.zeros((9, 1, 8, 8)), [0.5] * 9)"}, "whole numbers"),
    ],
)
def test_a_study_that_does_not_fit_together_is_one_line(
    tmp_path: Path, change: dict[str, str], said: str
) -> None:
    Path("bad.py").write_text(STUDY.format(**{**GOOD, **change}))
    assert_refused(call("run", "bad.py", "--trials", 1), said)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".pyc") in (
        ["bad.py"],
        ["__pycache__", "bad.py"],
    ), "nothing is half-written"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("study = (\n", "bad.py:1: '(' was never closed"),
        ("x = 1\nstudy === 2\n", "study === 2"),
        ("x = 1\n", "no study called 'study': write study = Study(…) in it"),
        ("study = 3\n", "a int, not a Study"),
        ("import nosuchmodule\n", "bad.py:1: ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("from optnas import ops\nops.convv(3)\n", "bad.py:2: AttributeError"),
        ("from optnas import ops\nops.conv()\n", "conv: missing a required argument: 'width'"),
        ("from optnas import parse\nparse('convv(3)')\n", "did you mean 'conv'?"),
        ("from optnas import choose\nchoose()\n", "give at least one"),
    ],
)
def test_a_file_that_does_not_run_is_one_line(text: str, said: str) -> None:
    Path("bad.py").write_text(text)
    assert_refused(call("run", "bad.py"), said)
    assert not Path("optnas.db").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "none.py"], "no such file: none.py"),
        (["run", "quick.py", "--trials", "0"], "--trials 0: it must be at least 1"),
        (["run", "quick.py", "--trials", "-3"], "--trials -3"),
        (["run", "quick.py", "--workers", "0"], "--workers 0"),
        (
            ["run", "quick.py", "--workers-per-gpu", "0"],
            "--workers-per-gpu 0: give a number of at least 1, or auto",
        ),
        (["run", "quick.py", "--workers-per-gpu", "all"], "--workers-per-gpu all: give a number"),
        (
            ["run", "quick.py", "--workers-per-gpu", "2", "-w", "2"],
            "--workers or --workers-per-gpu, not both",
        ),
        (["run", "quick.py", "--trials-per-gpu", "many"], "--trials-per-gpu many: give a number"),
        (["run", "quick.py:other"], "no study called 'other'"),
        (["status", "--storage", "postgresql+psycopg://me:s3cret@127.0.0.1:1/x"], "me:***@"),
        (["run", "quick.py", "--storage", "sqlite:////no/such/folder/x.db"], "does not exist"),
        (["status"], "no study is stored in optnas.db"),
        (["pareto", "--storage", "sqlite:///none.db"], "no study is stored"),
        (["init", "quick.py"], "is there already"),
        (["init", "no/such/study.py"], "does not exist"),
        (["dashboard", "--storage", "sqlite:///none.db"], "no study is stored"),
    ],
)
def test_a_command_that_cannot_be_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    quick_study(tmp_path)
    result = call(*arguments)
    assert_refused(result, said)
    assert "s3cret" not in result.output
    assert not Path("optnas.db").exists()


def test_a_run_whose_storage_cannot_be_reached_has_a_status_of_its_own(tmp_path: Path) -> None:
    result = call("run", quick_study(tmp_path), "--storage", "postgresql+psycopg://me:s3cret@127.0.0.1:1/x")
    assert result.exit_code == 3
    assert result.output.startswith(
        "error: storage postgresql+psycopg://me:***@127.0.0.1:1/x cannot be reached"
    )
    assert len(result.output.splitlines()) == 1


def test_a_space_that_changed_under_its_name_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    assert call("run", file, "--trials", 3).exit_code == 0
    text = file.read_text()
    file.write_text(text.replace("integer(1, 64", "integer(1, 32"))
    assert_refused(call("run", file, "--trials", 6), "'width' was 1 to 64 and is now 1 to 32")
    file.write_text(text.replace('minimize("size")', 'maximize("size")'))
    assert_refused(call("run", file, "--trials", 6), "is there with other objectives")
    file.write_text(text)
    assert call("run", file, "--trials", 6).exit_code == 0
    assert len(json.loads(call("pareto", "--json").stdout)) >= 1


def test_an_objective_that_evaluate_does_not_return_is_told(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    file.write_text(file.read_text().replace('maximize("score")', 'maximize("sore")'))
    result = call("run", file, "--trials", 30)
    assert result.exit_code == 1
    assert "needs 'sore', which was not measured; measured: " in result.output


def test_a_run_in_which_nothing_came_to_its_end_says_why(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    file.write_text(
        file.read_text().replace("    return {", "    raise SpaceError('no such row')\n    return {")
    )
    file.write_text("from optnas.space import SpaceError\n" + file.read_text())
    result = call("run", file, "--trials", 2)
    assert "No trial came to its end. Trial 1: no such row" in result.output


@pytest.mark.parametrize("kind", KINDS)
def test_init_writes_a_study_of_every_kind_that_runs_and_lists_all_strategies(kind: str) -> None:
    assert "optnas run mine.py" in call("init", "mine.py", "--kind", kind).output
    text = Path("mine.py").read_text()
    for name in (*SAMPLERS, *PRUNERS):
        assert name in text
    assert all(len(line) <= 110 for line in text.splitlines())
    Path("mine.py").write_text(re.sub(r"epochs=\d+", "epochs=1", text))
    result = call("run", "mine.py", "--trials", 2, "--workers", 1, "--threads", 1)
    assert result.exit_code == 0, result.output
    assert "2/2 trials" in result.output
    assert "2 complete" in result.output


def test_what_init_writes_reads_one_s_own_data() -> None:
    Path("table.csv").write_text("a,b,kind\n" + "".join(f"{i},{i * i % 7},{i % 2}\n" for i in range(60)))
    Path("text.txt").write_text("abcdefgh" * 400)
    numpy.savez("waves.npz", x=numpy.random.default_rng(0).normal(size=(60, 20, 2)), y=numpy.arange(60) % 3)
    for value in range(60):
        folder = Path("photos", "ab"[value % 2])
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (value, 0, 9)).save(folder / f"{value}.png")
    for kind, before, after, shape in (
        ("tabular", 'FILE, COLUMN = None, "column"', 'FILE, COLUMN = "table.csv", "kind"', (2,)),
        ("images", "FOLDER, SIZE = None", 'FOLDER, SIZE = "photos"', (3, 32, 32)),
        ("series", "FILE = None", 'FILE = "waves.npz"', (20, 2)),
        ("text", "FILE = None", 'FILE = "text.txt"', (32,)),
    ):
        assert call("init", f"{kind}.py", "--kind", kind).exit_code == 0
        text = Path(f"{kind}.py").read_text()
        assert before in text
        Path(f"{kind}.py").write_text(text.replace(before, after))
        assert load_study(f"{kind}.py").shape == shape


def test_init_of_an_unknown_kind_writes_nothing() -> None:
    assert_refused(call("init", "mine.py", "--kind", "tabluar"), "did you mean 'tabular'?")
    assert not Path("mine.py").exists()


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    from optnas.run.files import load_study

    study = load_study(str(quick_study(tmp_path)))
    opened = study.open(open_storage("sqlite:///optnas.db"))
    for width in (40, 20, 60, 39):
        opened.enqueue_trial({"width": width})
    work(study, opened, 4)
    return tmp_path


def test_pareto_shows_the_front_as_table_json_and_csv(searched: Path) -> None:
    table = call("pareto").output
    assert "score ↑" in table
    assert "size ↓" in table
    records = json.loads(call("pareto", "quick", "--json").stdout)
    assert [record["values"] for record in records] == [
        {"score": 0, "size": 40},
        {"score": -1, "size": 39},
        {"score": -20, "size": 20},
    ]
    assert records[0]["params"] == {"width": 40}
    assert records[0]["architecture"] == "seq(conv(40), relu)"
    lines = call("pareto", "--csv").stdout.splitlines()
    assert lines[0] == "number,score,size,architecture,width"
    assert lines[1] == '0,0.0,40.0,"seq(conv(40), relu)",40'


def test_pareto_draws_the_front(searched: Path) -> None:
    assert call("pareto", "--plot", "front.html").exit_code == 0
    assert "Pareto front" in Path("front.html").read_text()
    assert_refused(call("pareto", "--plot", "front.gif"), ".html, .svg, .png or .pdf")


def test_show_tells_everything_of_a_trial(searched: Path) -> None:
    output = call("show", 2).output
    for expected in ("2 of quick", "complete", "seq(conv(60), relu)", "width = 60", "seconds"):
        assert expected in output
    assert json.loads(call("show", 2, "--json").stdout)["values"] == {"score": -20, "size": 60}
    assert_refused(call("show", 9), "it has 0 to 3")


def test_status_lists_studies_and_several_need_a_name(searched: Path) -> None:
    told = " ".join(call("status").output.split())
    assert "quick 4 complete" in told
    assert "score ↑ best 0, front to -20 size ↓ best 20, front to 40" in told
    quick_study(searched, name="other")
    assert call("run", "other.py", "--trials", 1).exit_code == 0
    assert_refused(call("pareto"), "name one of: quick (4 trials), other (1 trial)")
    assert_refused(call("show", 0), "name one by --study of: quick (4 trials), other (1 trial)")
    assert_refused(call("pareto", "qick"), "did you mean 'quick'?")
    assert call("pareto", "other.py").exit_code == 0


@pytest.mark.parametrize("command", [["pareto"], ["explain"], ["publish"], ["report", "-o", "told.html"]])
def test_a_study_is_named_by_an_argument_or_by_an_option(searched: Path, command: list[str]) -> None:
    call(*command, "quick")  # which publishes what is to be published
    result = call(*command, "--study", "quick")
    assert (result.exit_code, result.output) == (0, call(*command, "quick").output)
    assert_refused(call(*command, "--study", "quik"), "did you mean 'quick'?")
    assert_refused(
        call(*command, "quick", "--study", "other"),
        "two studies are given, quick and --study other: give one",
    )


@pytest.mark.parametrize(("asked", "said"), [(1, 5), (3, 7), (4, 8)])
def test_a_run_of_fewer_trials_than_there_are_says_so_with_the_front_and_starts_nothing(
    searched: Path, asked: int, said: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optnas.run.command.run_here", None)
    monkeypatch.setattr("optnas.run.command._check", None)  # would load the data
    result = call("run", "quick.py", "--trials", asked)
    assert result.exit_code == 0
    first, *table = result.output.splitlines()
    assert first == f"Study 'quick' has 4 trials already: give --trials {said} to go on."
    assert table == call("pareto", "quick").output.splitlines()
    assert "score ↑" in table[0]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--trials-per-gpu", "many", "--trials-per-gpu many: give a number of at least 1, or auto"),
        ("--workers-per-gpu", "-1", "--workers-per-gpu -1: give a number of at least 1, or auto"),
        ("--workers-per-gpu", "2", "--workers-per-gpu: this study computes on the CPU here"),
        ("--trials-per-gpu", "2", "this study has evaluate= in place of a task; give --workers"),
    ],
)
def test_options_are_checked_though_the_total_is_reached(
    searched: Path, option: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert_refused(call("run", "quick.py", "--trials", 1, option, value), said)


def test_a_run_whose_file_changed_is_refused_though_the_total_is_reached(searched: Path) -> None:
    text = Path("quick.py").read_text()
    Path("quick.py").write_text(text.replace("integer(1, 64", "integer(1, 65"))
    assert_refused(call("run", "quick.py", "--trials", 1), "'width' was 1 to 64 and is now 1 to 65")


def test_a_formula_has_a_name_wherever_it_is_shown_and_must_stay_the_same(searched: Path) -> None:
    text = Path("quick.py").read_text().replace('"quick"', '"named"')
    named = 'maximize("score - 0.001 * size", name="merit", above=-50)'
    Path("named.py").write_text(text.replace('maximize("score")', named))
    assert "merit ↑" in call("run", "named.py", "--trials", 1, "--workers", 1).output
    assert "merit" in call("pareto", "named", "--csv").stdout.splitlines()[0].split(",")
    for other in ("score - 0.002 * size", "score"):
        changed = f'maximize("{other}", name="merit")'
        Path("named.py").write_text(text.replace('maximize("score")', changed))
        assert_refused(call("run", "named.py", "--trials", 2), "another objective 'merit'")


def test_doctor_tells_versions_devices_and_storage(searched: Path) -> None:
    result = call("doctor")
    assert result.exit_code == 0
    for expected in ("torch", "optuna", "cores", "reachable, 1 study"):
        assert expected in result.output
    broken = call("doctor", "--storage", "postgresql+psycopg://me:s3cret@127.0.0.1:1/x")
    assert broken.exit_code == 1
    assert "✗ storage" in broken.output
    assert "s3cret" not in broken.output
    assert "the first run makes it" in call("doctor", "--storage", "sqlite:///new.db").output


def test_the_dashboard_serves_the_study_with_its_objective_names(searched: Path) -> None:
    server = start("dashboard", "--port", 0, folder=searched)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[2]
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(url + "api/studies") as answer:
            (summary,) = json.load(answer)["study_summaries"]
        assert summary["study_name"] == "quick"
        with urllib.request.urlopen(f"{url}api/studies/{summary['study_id']}") as answer:
            detail = json.load(answer)
        assert detail["objective_names"] == ["score", "size"]
        assert len(detail["trials"]) == 4
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize(
    "command", ["init", "run", "launch", "status", "pareto", "show", "train", "dashboard", "doctor"]
)
def test_every_command_explains_itself_by_examples(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "Examples" in result.output
    assert f"optnas {command}" in result.output


def test_the_help_shows_no_type_of_flags_and_that_of_values() -> None:
    told = call("pareto", "--help").output
    assert "bool" not in told.lower()
    assert "--json" in told
    assert "path" in told.lower()


@pytest.mark.parametrize("module", ["optnas", "optnas.cli"])
def test_the_installed_command_fails_with_status_two(module: str) -> None:
    result = subprocess.run([sys.executable, "-m", module, "run", "none.py"], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == "error: no such file: none.py\n"
    assert result.stdout == ""
