"""Networks of several seeds that were kept as one are exported as one file, in every format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import optnas
from optnas import parse
from optnas.answers import Outputs
from optnas.data.schemas import Arrays, Ids, Schema, Several
from optnas.data.trees import leaves
from optnas.export import FORMATS, export
from optnas.export.python import run_written
from optnas.export.samples import made_up
from optnas.winner.ensemble import Ensemble
from optnas.winner.model import Model
from optnas.winner.outputs import scaling
from tests.export.helpers import bytes_of_pictures, difference, model_of, one_library, traced_of, written
from tests.files import call

RUN = [name for name in FORMATS if name != "safetensors"]
NETWORK = "seq(conv(6), norm, relu, head(outputs=3))"
SCALE = {"deviation": [4.0], "mean": [116.0]}

STUDY = """
from optnas import *

study = Study(
    name="wines",
    space=ops.seq(ops.linear(choose(8, 16, name="width")), ops.relu(), ops.head()),
    task=tasks.classification(data.sklearn("wine")),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=3, lr=1e-2),
)
"""


@pytest.fixture(autouse=True)
def _quick():
    torch.set_num_threads(1)
    with one_library():
        yield


def ensemble(text: str, schema: Schema, *, classes: bool) -> Model:
    """Return the mean of three networks of other weights."""
    members = [model_of(parse(text), schema, seed=seed) for seed in range(3)]
    mean = Ensemble([each.network for each in members], classes=classes)
    return Model(mean, scaling(None if classes else SCALE), schema, Outputs(), members[0].record)


@pytest.mark.parametrize("classes", [True, False], ids=["classes", "values"])
@pytest.mark.parametrize("name", RUN)
def test_every_format_has_the_mean_of_all_members(name: str, classes: bool, tmp_path: Path) -> None:
    model = ensemble(NETWORK, bytes_of_pictures((3, 8, 8)), classes=classes)
    path = tmp_path / f"model{FORMATS[name].suffix}"
    done = export(model, FORMATS[name], path, made_up(model.schema, 70), timing=None)
    assert done.difference is not None
    assert done.difference < 1e-5


def test_safetensors_has_the_weights_of_all_members(tmp_path: Path) -> None:
    model = ensemble(NETWORK, bytes_of_pictures((3, 8, 8)), classes=True)
    path = written(FORMATS["safetensors"], traced_of(model), tmp_path)
    found = load_file(path)
    for place in range(3):
        member = model.network.members[place]
        for name, value in member.state_dict().items():
            assert torch.equal(found[f"network.members.{place}.{name}"], value)


@pytest.mark.parametrize("given", ["names", "places", "a cell with a dead end"])
def test_the_code_of_an_ensemble_has_its_members_class_once(given: str, tmp_path: Path) -> None:
    user, picture = ("user", "picture") if given == "names" else ("0", "1")
    schema: Schema = Several({user: Ids((), 8), picture: bytes_of_pictures((3, 8, 8))}, given == "names")
    text = (
        f"seq(fork(a=seq(input('{user}'), embedding(4, vocabulary=9)), b="
        f"seq(input('{picture}'), conv(4), relu,"
        " global_avgpool)), concat(input('a'), input('b')), head(3))"
    )
    if given.startswith("a cell"):
        cell = "cell(node(conv('same')), node(conv('same', kernel=5)), node(skip, inputs=(1,)))"
        schema, text = bytes_of_pictures((3, 8, 8)), f"seq(conv(4), {cell}, head(outputs=2))"
    model = ensemble(text, schema, classes=True)
    traced = traced_of(model)
    path = written(FORMATS["python"], traced, tmp_path)
    code = path.read_text(encoding="utf-8")
    assert code.count("class Member(nn.Module):") == 1
    assert "for _ in range(3)" in code
    assert "mean of 3 networks" in code
    assert difference(FORMATS["python"], traced) < 1e-6
    x = traced.batch(4)
    with torch.inference_mode():
        for one, other in zip(leaves(run_written(path)(x)), leaves(model(x)), strict=True):
            assert torch.allclose(one, other, atol=1e-6)


def test_members_stay_apart(tmp_path: Path) -> None:
    model = ensemble("seq(linear(4), relu, head(outputs=2))", Arrays((3,)), classes=False)
    made = run_written(written(FORMATS["python"], traced_of(model), tmp_path))
    first = [parameter for name, parameter in made.named_parameters() if name.endswith("head.weight")]
    assert len({tuple(each.flatten().tolist()) for each in first}) == 3


def test_what_optnas_train_keeps_as_an_ensemble_is_exported_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    Path("wines.py").write_text(STUDY)
    network = "seq(linear(8), relu, head(outputs=3))"
    train = ("train", "wines.py", "-a", network, "--seeds", 2, "--ensemble", "--out", "net", "--threads", 1)
    assert call(*train).exit_code == 0
    for name in ("onnx", "python"):
        done = call("export", "net", "-f", name, "--data", "wines.py", "--json")
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert told["difference"] < 1e-5
    model = optnas.load("net")
    x = made_up(model.schema, 9).inputs
    with torch.inference_mode():
        expected = model(x).numpy()
        code = run_written(Path("net/exported/python/model.py"))(x).numpy()
    file = onnxruntime.InferenceSession("net/exported/model.onnx")
    (input_,) = file.get_inputs()
    kind = np.float64 if input_.type == "tensor(double)" else np.float32
    (found,) = file.run(None, {input_.name: x.numpy().astype(kind)})
    assert code == pytest.approx(expected, abs=1e-5)
    assert found == pytest.approx(expected, abs=1e-5)
