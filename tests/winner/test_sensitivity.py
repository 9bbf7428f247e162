"""How a trained network depends on its parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optnas.reports.ablations import kept_in
from optnas.run.lookup import find_study
from optnas.storages.opening import open_storage
from optnas.trials.record import sensitivity_attribute
from tests.files import assert_refused, call
from tests.page.client import asked, page_of

STUDY = """
from optnas import *

study = Study(
    name="small",
    space=ops.seq(ops.conv(choose(4, 8, name="width")), ops.norm(), ops.relu(), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[minimize("flops"), maximize("accuracy")],
    training=Training(epochs=4, lr=0.01),
)
"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    Path("small.py").write_text(STUDY)


def test_each_layer_block_and_branch_is_ablated_and_what_matters_most_is_said() -> None:
    text = (
        "seq(seq(conv(8), norm, relu), residual(conv(16), norm), add(conv(16), identity), maxpool(2), head)"
    )
    trained = call("train", "small.py", "--architecture", text, "--out", "net")
    assert trained.exit_code == 0, trained.output
    found = json.loads(call("explain", "small.py", "--run", "net", "--json").stdout)
    record = json.loads(Path("net/metrics.json").read_text())
    kept = record["trainings"][0]["validation"]
    assert found["metrics"]["loss"] == pytest.approx(kept["loss"], rel=1e-3)
    how = {each["part"]: each["how"] for each in found["ablations"]}
    assert how["conv(8)"] in ("skipped", "averaged")
    assert how["relu"] == "skipped"
    assert how["body of residual(conv(16), norm)"] == "left out"
    assert how["head"] == "averaged"
    places = [each["place"] for each in found["ablations"]]
    assert "0" in places  # the block as a whole
    assert "0.0" in places
    # Without the head, all samples get the same answer.
    head = next(each for each in found["ablations"] if each["part"] == "head")
    assert head["metrics"]["accuracy"] < 0.2 < 0.5 < found["metrics"]["accuracy"]
    told = call("explain", "small.py", "--run", "net")
    assert "It depends most on" in told.output
    assert "the network is of no trial" in " ".join(told.output.split())
    # Half of all logits: the same answers, less sure.
    assert head["halved"]["accuracy"] == found["metrics"]["accuracy"]
    assert found["metrics"]["loss"] != head["halved"]["loss"] < head["metrics"]["loss"]
    assert all(each["halved"].keys() == found["metrics"].keys() for each in found["ablations"])


def test_of_a_trial_it_is_kept_for_the_report_and_the_page() -> None:
    assert call("run", "small.py", "--trials", "1", "--workers", "1").exit_code == 0
    assert call("train", "small.py", "--trial", "0", "--out", "net").exit_code == 0
    told = call("explain", "small.py", "--run", "net", "--json")
    found = json.loads(told.stdout)
    assert "Kept with trial 0" in told.stderr
    assert call("report", "small.py").exit_code == 0
    report = Path("report.html").read_text()
    assert "What its networks depend on" in report
    assert '<td class="text">head</td>' in report
    storage = open_storage("sqlite:///optnas.db", reading=True)
    (kept,) = asked(page_of(storage), "/optnas/api/studies/1/parts").data
    assert kept == {"trial": 0, **found}
    # Nothing that anyone wrote into the database is taken for it.
    study = find_study("sqlite:///optnas.db", None)
    for wrong in ({"ablations": 3}, {**found, "ablations": [{"part": "x"}]}, {**found, "more": "x"}, {}):
        sensitivity_attribute(1).put(study, wrong)
        assert list(kept_in(study)) == [0]


def test_a_part_of_an_ensemble_is_that_of_all_its_members() -> None:
    text = "seq(conv(8), norm, relu, head)"
    arguments = ("--architecture", text, "--seeds", "2", "--ensemble", "--out", "net")
    assert call("train", "small.py", *arguments).exit_code == 0
    found = json.loads(call("explain", "small.py", "--run", "net", "--json").stdout)
    assert [each["part"] for each in found["ablations"]] == ["conv(8)", "norm", "relu", "head"]
    record = json.loads(Path("net/metrics.json").read_text())
    whole = record["ensemble"]["validation"]
    assert found["metrics"]["accuracy"] == pytest.approx(whole["accuracy"])
    # Without both heads all samples get the same answer: with one of them they would not.
    head = found["ablations"][-1]
    assert head["metrics"]["accuracy"] < 0.2 < whole["accuracy"]


WRONG = [None, True, -1, 10**400, 1e308, "", "x", [], [None], {}, "\x1b[31m", "../evil.py", "é" * 5000]


@pytest.mark.parametrize("field", ["study", "trial"])
def test_a_record_of_a_stranger_is_kept_with_no_trial_and_runs_no_file(field: str) -> None:
    assert call("run", "small.py", "--trials", "1", "--workers", "1").exit_code == 0
    assert call("train", "small.py", "--trial", "0", "--epochs", "1", "--out", "net").exit_code == 0
    Path("evil.py").write_text(f"open('ran', 'w')\n{STUDY}")
    record = json.loads(Path("net/metrics.json").read_text())
    assert (record["study"], record["trial"]) == ("small", 0)
    missing = {name: value for name, value in record.items() if name != field}
    for changed in (missing, *({**record, field: value} for value in [*WRONG, "evil.py"])):
        Path("net/metrics.json").write_text(json.dumps(changed))
        told = call("explain", "small.py", "--run", "net")
        assert told.exit_code == 0, told.output
        assert "Not kept for the report and the page" in " ".join(told.output.split())
        assert "\x1b" not in told.output
    assert not Path("ran").exists()


def test_what_is_no_network_or_no_file_is_said() -> None:
    Path("empty").mkdir()
    assert_refused(call("explain", "small.py", "--run", "empty"), "no network of optnas train")
    assert_refused(call("explain", "small", "--run", "empty"), "needs the study's file")
