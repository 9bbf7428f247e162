"""How a trained network depends on its parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.files import assert_refused, call

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


def test_what_is_no_network_or_no_file_is_said() -> None:
    Path("empty").mkdir()
    assert_refused(call("explain", "small.py", "--run", "empty"), "no network of optnas train")
    assert_refused(call("explain", "small", "--run", "empty"), "needs the study's file")
