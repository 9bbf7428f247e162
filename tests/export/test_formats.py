"""Each format's file computes what PyTorch does on raw samples, in batches of any size, by the same names."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open

from optnas import UserError, op, ops, parse
from optnas.data.normalize import Normalize
from optnas.data.schemas import Arrays, Ids, Several
from optnas.data.trees import leaves
from optnas.export import FORMATS, export, format_named
from optnas.export.export import TOLERANCE
from optnas.export.samples import Samples, as_exported, largest_difference, made_up
from optnas.export.traced import CannotExport
from optnas.measure.latency import Timing, latency
from tests.export.helpers import bytes_of_pictures, difference, model_of, one_library, traced_of

NETWORK = parse("seq(conv(6), norm, mish, conv(4), relu, head(outputs=3))")
QUICK = Timing(fewest_seconds=0.01, most_seconds=0.02)
RUN = [name for name in FORMATS if name != "safetensors"]


@pytest.fixture(autouse=True)
def _quick():
    torch.set_num_threads(1)
    with one_library():
        yield


def pictures():
    return model_of(NETWORK, bytes_of_pictures((3, 8, 8)))


def several():
    schema = Several({"user": Ids((2,), 8), "picture": bytes_of_pictures((3, 6, 6))})
    architecture = parse(
        "seq(fork(a=seq(input('user'), embedding(4, vocabulary=9), flatten), b=seq(input('picture'),"
        " conv(4), relu, flatten)), fork(kind=seq(input('a'), head(3)), picture=seq(input('b'), head(1))))"
    )
    scale = {"heads": {"picture": {"deviation": [4.0], "mean": [116.0]}}}
    return model_of(architecture, schema, scale=scale)


@pytest.mark.parametrize("name", RUN)
def test_a_file_takes_the_bytes_of_pictures_and_agrees_with_pytorch(name, tmp_path):
    model = pictures()
    path = tmp_path / f"model{FORMATS[name].suffix}"
    done = export(model, FORMATS[name], path, made_up(model.schema, 70), timing=None)
    assert done.files[0] == path
    assert all(each.exists() for each in done.files)
    assert done.bytes == sum(each.stat().st_size for each in done.files)
    assert done.inputs == {"input": {"dtype": "uint8", "shape": [None, 3, 8, 8]}}
    assert done.outputs == {"output": {"dtype": "float32", "shape": [None, 3]}}
    assert done.difference < TOLERANCE
    json.dumps(done.as_record())


@pytest.mark.parametrize("name", RUN)
def test_several_inputs_and_outputs_keep_their_names(name, tmp_path):
    model = several()
    traced = traced_of(model)
    assert traced.input_names == ["user", "picture"]
    # A graph has each name once.
    assert traced.output_names == ["kind", "picture_out"]
    assert difference(FORMATS[name], traced) < TOLERANCE


def test_an_onnx_file_is_run_by_names_and_says_what_it_takes(tmp_path):
    import onnx
    import onnxruntime

    model = several()
    path = tmp_path / "both.onnx"
    done = export(model, format_named("onnx"), path, made_up(model.schema, 5), timing=None)
    session = onnxruntime.InferenceSession(path)
    given = model.schema.drawn(9, torch.Generator().manual_seed(3))
    found = session.run(["picture_out"], {name: each.numpy() for name, each in given.items()})
    assert np.allclose(found[0], model(given)["picture"].detach().numpy(), atol=1e-3)
    assert found[0].mean() > 50  # in the unit of the targets
    told = {each.key: each.value for each in onnx.load(path).metadata_props}
    assert json.loads(told["optnas.input"])["kind"] == "several"
    assert told["optnas.architecture"] == model.record["architecture"]
    assert done.version.startswith("ONNX opset ")


def test_a_pt2_file_is_run_by_pytorch_alone(tmp_path):
    model = several()
    path = tmp_path / "both.pt2"
    export(model, format_named("torch-export"), path, made_up(model.schema, 5), timing=None)
    given = model.schema.drawn(9, torch.Generator().manual_seed(3))
    found = torch.export.load(path).module()(given)
    assert torch.equal(found["kind"], model(given)["kind"])


def test_a_safetensors_file_has_all_that_is_needed_to_build_the_network(tmp_path):
    from optnas.data.schemas import schema_of
    from optnas.space.parse import parse_tree

    model = model_of(NETWORK, bytes_of_pictures((3, 8, 8)), scale={"deviation": [2.0], "mean": [5.0]})
    path = tmp_path / "model.safetensors"
    done = export(model, format_named("safetensors"), path, made_up(model.schema, 5), timing=None)
    assert done.difference is None
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    network = parse_tree(header["optnas.architecture"]).build(
        (3, 8, 8), **json.loads(header["optnas.context"])
    )
    network.load_state_dict(
        {
            name.removeprefix("network."): value
            for name, value in tensors.items()
            if name.startswith("network.")
        }
    )
    x = made_up(model.schema, 4).inputs
    prepared = schema_of(json.loads(header["optnas.schema"])["input"]).preparation()(x)
    outputs = network.eval()(prepared) * tensors["scale.deviation"] + tensors["scale.mean"]
    assert torch.equal(outputs, model(x))


def test_numbers_of_which_the_last_digits_count_stay_in_float64():
    far = Normalize(torch.full((1, 4), 1.7e9, dtype=torch.float64), torch.full((1, 4), 60.0).double())
    near = Normalize(torch.full((1, 4), 3.0, dtype=torch.float64), torch.full((1, 4), 2.0).double())
    architecture = parse("seq(linear(8), relu, head(outputs=2))")
    for figures, dtype in ((far, torch.float64), (near, torch.float32)):
        model = model_of(architecture, Arrays((4,), "float64", figures))
        traced = traced_of(model)
        assert traced.samples.dtype is dtype
        assert difference(FORMATS["onnx"], traced) < TOLERANCE


def test_samples_of_float32_are_told_apart_by_their_rounding():
    figures = Normalize(torch.full((1, 4), 1.7e9).double(), torch.full((1, 4), 60.0).double())
    model = model_of(parse("seq(linear(8), relu, head(outputs=2))"), Arrays((4,), "float64", figures))
    samples = made_up(model.schema, 6)
    kept = as_exported(model, samples)
    assert torch.equal(model(kept.inputs), model(samples.inputs))


def test_what_onnx_has_no_operator_for_is_refused_in_a_line_and_nothing_is_written(tmp_path):
    @op(cost=lambda shape: ops.identity().cost(shape))
    def bessel(x):
        return torch.special.bessel_j0(x)

    model = model_of(ops.seq(bessel(), ops.head(2)), Arrays((4,)))
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    with pytest.raises(CannotExport, match=r"^ONNX cannot express .*\.(special_)?bessel_j0$"):
        export(model, format_named("onnx"), path, made_up(model.schema, 4), timing=None)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    assert difference(FORMATS["torch-export"], traced_of(model)) == 0


def test_adaptive_pooling_whose_windows_overlap_is_exported_as_slices():
    for text, shape in (
        ("adaptive_avgpool(2)", (2, 3, 3, 5)),
        ("adaptive_maxpool(2)", (2, 3, 3, 5)),
        ("adaptive_maxpool(4)", (6, 3)),
    ):
        traced = traced_of(model_of(parse(text), Arrays(shape)))
        assert difference(FORMATS["onnx"], traced) < 1e-6


def test_an_op_that_goes_by_values_is_refused_in_a_line(tmp_path, capfd):
    @op(cost=lambda shape: ops.identity().cost(shape))
    def by_value(x):
        return x * 2 if x.sum().item() > 0 else x

    model = model_of(ops.seq(by_value(), ops.head(2)), Arrays((4,)))
    with pytest.raises(
        CannotExport, match=r"has no graph of the network: its code goes by values"
    ) as refused:
        export(model, format_named("torch-export"), tmp_path / "a.pt2", made_up(model.schema, 4), timing=None)
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_differs_from_pytorch_is_not_written(tmp_path, monkeypatch):
    model = pictures()
    form = format_named("torch-export")
    honest = form.runner
    monkeypatch.setattr(
        type(form), "runner", lambda self, path, traced: lambda x: [y + 0.01 for y in honest(path, traced)(x)]
    )
    with pytest.raises(UserError, match=r"would differ from PyTorch by 0\.01 .*nothing is written"):
        export(model, form, tmp_path / "a.pt2", made_up(model.schema, 4), timing=None)
    assert not list(tmp_path.iterdir())


def test_differences_are_a_share_of_large_outputs_and_see_what_is_no_number():
    one = torch.tensor([[1000.0, 1.0]])
    assert largest_difference([one + 0.1], [one]) == pytest.approx(1e-4, rel=1e-3)
    assert largest_difference([one * 1e-4 + 0.1], [one * 1e-4]) == pytest.approx(0.1, rel=1e-3)
    lost = torch.tensor([[torch.nan, torch.inf]])
    assert largest_difference([lost], [lost]) == 0
    assert largest_difference([one], [lost]) == torch.inf
    assert largest_difference([lost], [one]) == torch.inf
    assert largest_difference([one[:, :1]], [one]) == torch.inf


def test_latencies_of_the_file_and_of_pytorch_are_measured_at_two_batches(tmp_path):
    model = pictures()
    form = format_named("torch-export")
    done = export(model, form, tmp_path / "a.pt2", made_up(model.schema, 3), timing=QUICK)
    assert set(done.latency_ms) == {1, 64}
    assert all(ms > 0 for each in done.latency_ms.values() for ms in each.values())


@pytest.mark.parametrize(("name", "threads_of"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_latencies_are_of_one_thread_however_many_pytorch_has(tmp_path, monkeypatch, name, threads_of):
    from optnas.export.onnx import session
    from optnas.export.openvino import _compiled

    model, seen, made = pictures(), set(), []
    form = format_named(name)

    def watched(*given):
        seen.add(torch.get_num_threads())
        return latency(*given)

    def runner(path, traced):
        if threads_of == "openvino":
            made.append(_compiled(path, {}).get_property("INFERENCE_NUM_THREADS"))
        else:
            made.append(session(path).get_session_options().intra_op_num_threads)
        return type(form).runner(form, path, traced)

    monkeypatch.setattr(sys.modules["optnas.export.export"], "latency", watched)
    monkeypatch.setattr(form, "runner", runner)
    torch.set_num_threads(2)
    try:
        with one_library():
            done = export(model, form, tmp_path / f"a{form.suffix}", made_up(model.schema, 3), timing=QUICK)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert seen == {1}
    assert made[-1] == 1
    assert done.measured_on.endswith(", 1 thread")


def test_samples_of_a_data_set_are_what_users_have():
    from optnas import data
    from optnas.export.samples import of_part

    generator = torch.Generator().manual_seed(0)
    bytes_ = torch.randint(0, 256, (40, 5, 4, 3), generator=generator, dtype=torch.uint8)
    floats = torch.randn(40, 6, 2, generator=generator, dtype=torch.float64) * 3 + 100
    ids = torch.randint(0, 7, (40, 2), generator=generator)
    y = torch.arange(40) % 2
    for x, options in (
        (bytes_.numpy(), {"layout": "channels_last"}),
        (floats.numpy(), {"layout": "channels_last"}),
        ({"ids": ids, "picture": bytes_}, {"kinds": {"ids": "ids"}}),
    ):
        made = data.tensors(x, y, name="any", **options)
        found = of_part(made, "validation", 4)
        assert found.told == "4 samples of the validation part"
        stored = next(made.splits.validation.blocks(4))[0]
        expected = made.splits.prepare(stored)
        prepared = made.schema.preparation()(found.inputs)
        for one, other in zip(leaves(prepared), leaves(expected), strict=True):
            assert torch.allclose(one, other, atol=1e-5)
        known = x if isinstance(x, dict) else {"": x}
        for tensor, given in zip(leaves(found.inputs), known.values(), strict=True):
            rows = np.asarray(given, np.float64).reshape(40, 1, -1)
            apart = np.abs(rows - tensor.numpy().reshape(1, 4, -1)).max(axis=2).min(axis=0)
            # Each is one of the rows: exactly if they are whole numbers, else up to rounding.
            assert (apart <= (1e-5 if tensor.is_floating_point() else 0)).all()


def test_a_format_that_is_not_there_or_not_installed_is_said(monkeypatch):
    with pytest.raises(UserError, match="no format 'onxn': did you mean 'onnx'"):
        format_named("onxn")
    form = format_named("openvino")
    monkeypatch.setattr(type(form), "packages", ("not_there_at_all",))
    with pytest.raises(UserError, match=r"needs not_there_at_all: pip install 'optnas\[export,openvino\]'"):
        form.check_installed()


def test_int8_is_refused_where_nothing_is_computed_in_it(tmp_path):
    from optnas.export.quantize import quantized

    model = model_of(parse("seq(relu, global_avgpool)"), bytes_of_pictures((3, 8, 8)))
    traced = traced_of(model)
    graph = FORMATS["onnx"].content(traced)[".onnx"]
    with pytest.raises(CannotExport, match="int8 is for convolutions and matrix products"):
        quantized(graph, [{"input": traced.samples}])
    with pytest.raises(UserError, match="--quantize int8 is for onnx and openvino"):
        export(
            model,
            format_named("torch-export"),
            tmp_path / "a.pt2",
            Samples(traced.samples, ""),
            quantize_for=object(),
        )


def test_of_large_samples_few_are_made_up():
    assert len(made_up(Arrays((4,)), 256).inputs) == 256
    assert len(made_up(Arrays((2**22,)), 256).inputs) == 4
    assert made_up(Arrays((2**24,)), 256).told == "2 made-up samples"
