"""A written file is what its runtime's users find: names, types, and the precision that it computes in."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open

import optnas
from optnas import data, op, ops, parse
from optnas.answers import Classes
from optnas.data.normalize import Normalize
from optnas.data.schemas import Arrays
from optnas.data.trees import leaves
from optnas.export import command, export, format_named
from optnas.export.export import TOLERANCE, ByDefault, Exported, Int8
from optnas.export.openvino import core
from optnas.export.samples import Samples, as_exported, largest_difference, made_up
from optnas.export.traced import CannotExport, Traced
from optnas.winner.ensemble import Ensemble
from optnas.winner.model import Model
from optnas.winner.outputs import scaling
from tests.export.helpers import bytes_of_pictures, model_of, one_library, written

NETWORK = parse("seq(conv(6), norm, relu, head(outputs=3))")
NETWORK_OF_NUMBERS = parse("seq(linear(4), relu, head(outputs=3))")


@pytest.fixture(autouse=True)
def _quick():
    torch.set_num_threads(1)
    with one_library():
        yield


def test_openvino_is_run_with_its_own_settings_too_and_what_that_differs_by_is_said(tmp_path):
    model = model_of(NETWORK, bytes_of_pictures((3, 8, 8)))
    path = tmp_path / "model.xml"
    done = export(model, format_named("openvino"), path, made_up(model.schema, 40), timing=None)
    compiled = core().compile_model(path, "CPU")
    found = torch.from_numpy(compiled(made_up(model.schema, 40).inputs.numpy())[0])
    with torch.inference_mode():
        expected = model(made_up(model.schema, 40).inputs)
    usual = done.by_default
    assert usual.precision == compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    assert usual.difference >= largest_difference([found], [expected]) * 0.99
    assert (usual.difference < TOLERANCE) == (usual.precision == "f32")
    (line,) = [line for line in command.lines(done) if "by default" in line]
    assert '{"INFERENCE_PRECISION_HINT": "f32"}' in line
    assert f"differs by {usual.difference:.2g}" in line


def test_an_export_to_openvino_reports_to_nobody(tmp_path):
    code = """
import multiprocessing.process, time

multiprocessing.process.BaseProcess.start = lambda process: print("started", process)
from optnas import parse
from optnas.export import format_named
from tests.export.helpers import bytes_of_pictures, model_of, traced_of

model = model_of(parse("seq(conv(6), relu, head(outputs=3))"), bytes_of_pictures((3, 8, 8)))
form = format_named("openvino")
form.content(traced_of(model))
time.sleep(0.5)  # what is sent is sent by another thread
print(form.version(None))
"""
    environment = {**os.environ, "HOME": str(tmp_path), "CI": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("IR of OpenVINO"), done.stdout + done.stderr
    assert not (tmp_path / "intel").exists()


@pytest.mark.slow
def test_a_signal_reaches_its_handler_after_networks_that_openvino_ran_were_deleted_in_any_order(tmp_path):
    code = """
import gc, os, pathlib, signal, sys
import torch
from optnas import parse
from optnas.export import format_named
from tests.export.helpers import bytes_of_pictures, model_of, traced_of, written

torch.set_num_threads(1)
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
traced = traced_of(model_of(parse("seq(conv(2), head(outputs=2))"), bytes_of_pictures((3, 6, 6))))
path = written(format_named("openvino"), traced, pathlib.Path(sys.argv[1]))
runs = [format_named("openvino").runner(path, traced) for _ in range(2)]
while runs:
    del runs[0]
    gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_an_openvino_input_has_the_name_that_is_said_alone(tmp_path):
    import numpy as np
    import pandas

    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"size": rng.normal(100, 30, 90), "price": rng.normal(3, 4, 90)})
    # Its numbers are multiplied by 1 first, which OpenVINO takes away: the product has a name, too.
    model = model_of(NETWORK_OF_NUMBERS, data.frame(frame, "price").schema)
    path = written(format_named("openvino"), Traced(model, made_up(model.schema, 5).inputs), tmp_path)
    for found in (core().read_model(path), core().compile_model(path, "CPU")):
        assert [port.names for port in found.inputs] == [{"numbers"}]
        assert [port.names for port in found.outputs] == [{"output"}]


def test_the_size_of_a_batch_is_called_so_in_an_onnx_file(tmp_path):
    import onnx

    model = model_of(NETWORK, bytes_of_pictures((3, 8, 8)))
    path = written(format_named("onnx"), Traced(model, made_up(model.schema, 5).inputs), tmp_path)
    graph = onnx.load(path).graph
    for each in (*graph.input, *graph.output):
        assert each.type.tensor_type.shape.dim[0].dim_param == "batch"
    named = {dim.dim_param for each in graph.value_info for dim in each.type.tensor_type.shape.dim}
    assert named <= {"", "batch"}


def test_a_network_takes_the_same_types_whatever_it_is_compared_on():
    # Rounding shows at the edge of what the training part has, not in samples near its mean.
    figures = Normalize(torch.full((1, 4), 1e3).double(), torch.full((1, 4), 1.0).double())
    model = model_of(parse("seq(linear(8), relu, head(outputs=2))"), Arrays((4,), "float64", figures))
    near = Samples(torch.full((3, 4), 1e3).double(), "3 samples")
    assert largest_difference([model(near.inputs.float())], [model(near.inputs)]) == 0
    types = {as_exported(model, each).inputs.dtype for each in (near, made_up(model.schema, 256))}
    assert types == {torch.float64}


@pytest.mark.parametrize("classes", [True, False])
def test_an_ensemble_s_safetensors_file_is_loaded_as_the_readme_says(classes, tmp_path):
    shape = (3, 8, 8)
    members = [model_of(NETWORK, bytes_of_pictures(shape), seed=seed).network for seed in range(2)]
    record = {"architecture": str(NETWORK), "context": {}}
    answer = Classes(("a", "b", "c"))
    ensemble = Ensemble(members, classes=classes)
    model = Model(ensemble, scaling(None), bytes_of_pictures(shape), answer, record)
    path = tmp_path / "model.safetensors"
    export(model, format_named("safetensors"), path, made_up(model.schema, 5), timing=None)

    with safe_open(path, framework="pt") as file:
        told, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about = json.loads(told["optnas.ensemble"])
    assert about == {"members": 2, "mean_of": "probabilities" if classes else "outputs"}
    prepared = model.schema.preparation()(made_up(model.schema, 4).inputs)
    outputs = []
    for member in range(about["members"]):
        network = optnas.parse(told["optnas.architecture"]).build(
            json.loads(told["optnas.shape"]), **json.loads(told["optnas.context"])
        )
        start = f"network.members.{member}."
        network.load_state_dict(
            {name.removeprefix(start): each for name, each in tensors.items() if name.startswith(start)}
        )
        outputs.append(network.eval()(prepared))
    found = torch.stack(outputs)
    expected = model(made_up(model.schema, 4).inputs)
    if classes:
        assert torch.allclose(found.softmax(2).mean(0), expected.softmax(1), atol=1e-6)
    else:
        assert torch.allclose(found.mean(0), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "milliseconds", "gains"), [(900, 1.0, True), (1000, 0.5, True), (1100, 1.1, False)]
)
def test_int8_that_gains_nothing_is_said_to(size, milliseconds, gains):
    costs = Int8("40 samples", {}, {}, 1000, {1: 1.0})
    latency = {1: {"file": milliseconds, "pytorch": 3.0}}
    done = Exported("onnx", "", (), size, {}, {}, "outputs", 0.1, "", latency, 1, costs)
    line = command.lines(done)[-1]
    assert "1,000 bytes" in line
    assert f"{milliseconds:.2f} for a batch of 1" in line
    assert ("leave --quantize away" in line) != gains
    assert not isinstance(done.by_default, ByDefault)


ARRAY = np.linspace(0.5, 2.0, 40)
TENSOR = torch.tensor([[2], [3]], dtype=torch.int16)
TOO_LARGE = torch.zeros(2000)


@op
def uses_arrays(x: torch.Tensor) -> torch.Tensor:
    return x * float(ARRAY[3]) + float(ARRAY.sum()) + TENSOR[1, 0]


@op
def uses_too_large(x: torch.Tensor) -> torch.Tensor:
    return x + TOO_LARGE[0]


def test_arrays_that_ops_of_one_s_own_use_are_written_into_code(tmp_path):
    model = model_of(ops.seq(uses_arrays(), ops.linear(4), ops.head(outputs=3)), Arrays((4,)))
    form, traced = format_named("python"), Traced(model, made_up(model.schema, 5).inputs)
    path = written(form, traced, tmp_path)
    found = form.runner(path, traced)(list(leaves(traced.samples)))
    assert torch.allclose(found[0], traced.expected[0], atol=1e-6)
    text = path.read_text()
    assert "import numpy as np" in text
    assert "TENSOR = torch.tensor([[2], [3]], dtype=torch.int16)" in text
    assert max(map(len, text.splitlines())) <= 100
    large = model_of(ops.seq(uses_too_large(), ops.head(outputs=3)), Arrays((4,)))
    with pytest.raises(CannotExport, match=r"'TOO_LARGE', an array of 2,000 numbers .* up to|1 to 1000"):
        form.content(Traced(large, made_up(large.schema, 5).inputs))
