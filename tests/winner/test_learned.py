"""Constants that activations learned are in every text of a trained network."""

import json

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

import optnas
from optnas.cli import app
from optnas.space import parse

_STUDY = """
from optnas import Study, Training, data, maximize, minimize, ops, tasks
study = Study(
    name="learned",
    space=ops.seq(ops.conv(4), ops.norm(), ops.swish(learnable=True), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=2, lr=0.1, device="cpu"),
)
"""


def called(*words):
    found = CliRunner().invoke(app, [*words])
    assert found.exit_code == 0, found.output
    return found.output


def beta(text):
    (swish,) = (node for node in parse(text).walk() if node.op.name == "swish")
    return swish.arguments["beta"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text(_STUDY)
    called("run", "s.py", "--trials", "1", "--no-publish")
    return tmp_path


def test_every_text_of_a_trained_network_has_what_was_learned(place):
    record = json.loads(called("show", "0", "--study", "learned", "--json"))
    assert beta(record["learned"]) != 1.0
    assert f"swish(beta={beta(record['learned'])}" in " ".join(
        called("show", "0", "--study", "learned").split()
    )
    called("train", "s.py", "--trial", "0", "--epochs", "3", "--out", "run")
    metrics = json.loads((place / "run" / "metrics.json").read_text())
    weights = optnas.load("run").state_dict()
    (exact,) = (float(value) for name, value in weights.items() if name.endswith("learned.beta"))
    assert beta(metrics["learned"]) == float(f"{exact:.4g}") != 1.0
    card = (place / "run" / "README.md").read_text()
    assert f"beta={exact:.4g}" in card
    assert metrics["activations"] == {f"swish(beta={exact:.4g}, learnable=True)": 1}
    assert "](activations.svg)" in card
    assert f"σ({exact:.3g}x)" in (place / "run" / "activations.svg").read_text()
    called("export", "run", "--format", "safetensors")
    (file,) = set((place / "run").rglob("*.safetensors")) - set((place / "run").glob("*.safetensors"))
    with safe_open(file, framework="pt") as opened:
        assert opened.metadata()["optnas.learned"] == metrics["learned"]


def test_the_activations_of_a_trial_are_plotted_as_learned(place):
    record = json.loads(called("show", "0", "--study", "learned", "--json"))
    assert "Wrote a.svg" in called("show", "0", "--study", "learned", "--activations", "a.svg")
    drawing = (place / "a.svg").read_text()
    assert f"σ({beta(record['learned']):.3g}x)" in drawing
    assert ">mish<" in drawing


def test_well_known_activations_are_not_plotted_in_the_card(place):
    (place / "s.py").write_text(_STUDY.replace("ops.swish(learnable=True)", "ops.relu()"))
    called("train", "s.py", "-a", "seq(conv(4), relu, head)", "--epochs", "1", "--out", "other")
    assert "activations" not in json.loads((place / "other" / "metrics.json").read_text())
    assert not (place / "other" / "activations.svg").exists()
    assert "activations.svg" not in (place / "other" / "README.md").read_text()
