"""``optnas export``: from the folder of a trained network to a file, and what it says about it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import optnas
from optnas.export.python import run_written
from tests.export.helpers import one_library
from tests.files import assert_refused, call

STUDY = """
import torch
from optnas import *

rng = torch.Generator().manual_seed(0)
x = torch.randint(0, 256, (240, 8, 8, 1), generator=rng, dtype=torch.uint8)
y = (x[:, :, :4].float().mean((1, 2, 3)) > x[:, :, 4:].float().mean((1, 2, 3))).long()
study = Study(
    name="sides",
    space=ops.seq(ops.conv(choose(4, 8, name="width")), ops.norm(), ops.relu(), ops.head()),
    task=tasks.classification(data.tensors(x.numpy(), y.numpy(), layout="channels_last", name="sides")),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=2, lr=0.05, batch_size=32),
)
"""
ARCHITECTURE = "seq(conv(8), norm, relu, conv(8), norm, relu, head)"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    (folder / "sides.py").write_text(STUDY)
    before = Path.cwd()
    os.chdir(folder)
    assert call("train", "sides.py", "-a", ARCHITECTURE, "--out", "run", "--threads", "1").exit_code == 0
    os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def _there(trained, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.chdir(trained)
    with one_library():
        yield


def exported(*arguments: object) -> str:
    done = call("export", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_trained_network_is_exported_compared_on_the_validation_part_and_run_alone(trained):
    import onnxruntime

    told = json.loads(exported("run", "--data", "sides.py", "--json"))
    path = trained / told["files"][0]
    assert path == trained / "run" / "exported" / "model.onnx"
    assert told["inputs"] == {"input": {"dtype": "uint8", "shape": [None, 8, 8, 1]}}
    assert told["difference"] < 1e-4
    assert "of the validation part" in told["compared_on"]
    assert set(told["latency_ms"]) == {"1", "64"}
    x = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 1), np.uint8)
    (logits,) = onnxruntime.InferenceSession(path).run(None, {"input": x})
    model = optnas.load(trained / "run")
    assert model.predict(x).iloc[:, 0].tolist() == [
        model.answer.names[place] for place in logits.argmax(axis=1)
    ]


def test_what_was_written_is_said_in_words(trained):
    out = exported("run", "-f", "torch-export", "-o", "sides.pt2")
    assert "Wrote sides.pt2: torch-export (archive version" in out
    assert "It takes input: uint8 (batch, 8, 8, 1)" in out
    assert "differs from PyTorch by 0 at most on 256 made-up samples" in out
    assert "A batch of 64 takes" in out


def test_int8_is_calibrated_on_the_training_part_and_says_what_it_costs(trained):
    import onnx

    out = exported("run", "--quantize", "int8", "--data", "sides.py", "--json")
    told = json.loads(out)
    path = trained / "run" / "exported" / "model.int8.onnx"
    graph = onnx.load(path).graph
    # Weights of 8 bits: those of both convolutions and of the last layer.
    assert (
        sum(each.data_type == onnx.TensorProto.INT8 and len(each.dims) > 1 for each in graph.initializer) == 3
    )
    assert any(node.op_type == "QuantizeLinear" for node in graph.node)
    costs = told["int8"]
    assert costs["float_bytes"] > 0
    assert set(costs["float_ms"]) == {"1", "64"}
    assert costs["calibrated_on"].endswith("of the train part")
    for part in ("validation", "test"):
        assert abs(costs["before"][part]["accuracy"] - costs["after"][part]["accuracy"]) < 0.1
        assert costs["before"][part]["loss"] != costs["after"][part]["loss"]
    record = json.loads((trained / "run" / "metrics.json").read_text())
    assert costs["before"]["test"]["accuracy"] == pytest.approx(record["test"]["accuracy"]["mean"], abs=1e-6)


def test_code_is_written_into_a_folder_with_its_weights(trained):
    told = json.loads(exported("run", "-f", "python", "-o", "owned", "--json"))
    assert told["files"] == ["owned/model.py", "owned/model.safetensors"]
    assert told["difference"] < 1e-5
    assert "class Sides(nn.Module):" in (trained / "owned" / "model.py").read_text()
    assert set(told["latency_ms"]) == {"1", "64"}


def test_the_weights_of_code_and_a_safetensors_file_stand_apart(trained):
    code, weights = json.loads(exported("run", "-f", "python", "--json"))["files"]
    (other,) = json.loads(exported("run", "-f", "safetensors", "--json"))["files"]
    assert (code, weights) == ("run/exported/python/model.py", "run/exported/python/model.safetensors")
    assert other == "run/exported/model.safetensors"
    x = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 1), np.uint8)
    found = run_written(trained / code)(torch.from_numpy(x))
    assert torch.allclose(found, optnas.load(trained / "run")(torch.from_numpy(x)), atol=1e-5)
    assert_refused(
        call("export", "run", "-f", "safetensors", "-o", weights),
        "has the weights of run/exported/python/model.py",
    )


def test_code_is_not_written_over_the_weights_of_the_run(trained):
    before = (trained / "run" / "model.safetensors").read_bytes()
    for place in ("run", "run/model.py"):
        assert_refused(
            call("export", "run", "-f", "python", "-o", place), "would be written over: give another place"
        )
    assert (trained / "run" / "model.safetensors").read_bytes() == before


def test_training_again_finds_the_folder_as_it_was_with_its_exports(trained):
    out = call("train", "sides.py", "-a", ARCHITECTURE, "--out", "run", "--threads", "1").stdout
    assert "trained already" in out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["run", "--format", "onxn"], "did you mean 'onnx'?"),
        (["run", "--quantize", "int4"], "there is int8"),
        (["run", "--quantize", "int8"], "give the study's file by --data"),
        (
            ["run", "-f", "safetensors", "--quantize", "int8", "--data", "sides.py"],
            "is for onnx and openvino",
        ),
        (["run", "-f", "python", "--quantize", "int8"], "is for onnx and openvino, not for python"),
        (["run", "-o", "model.pt2"], "ends in .onnx: model.pt2 does not"),
        (["run", "-o", "run"], "run is a folder"),
        (["nowhere"], "nowhere holds no network of optnas train"),
        (["run", "--data", "other.py"], "was trained on array (1, 8, 8)"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(trained, args, says):
    (trained / "other.py").write_text(STUDY.replace("240, 8, 8, 1", "240, 8, 8, 2"))
    assert_refused(call("export", *args), says)
