"""``model.py`` computes what the trained network does, without optnas, and is code that people keep."""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from optnas import op, ops, parse, spaces
from optnas.data.normalize import Normalize
from optnas.data.schemas import Arrays, Ids, Several
from optnas.export import FORMATS
from optnas.export.python import helpers, refusal, sequence_helpers
from optnas.export.traced import CannotExport
from optnas.run.files import load_study
from optnas.winner.model import Model
from optnas.winner.outputs import scaling, scaling_record
from tests.export.helpers import bytes_of_pictures, difference, model_of, ruff, schema_for, traced_of, written
from tests.export.ready_spaces import SMALL, SPACES, networks
from tests.files import REPOSITORY
from tests.ready_studies import STUDIES, prepare_data

PYTHON = FORMATS["python"]
# float32 sums in another order.
ROUNDING = 1e-5
# Of each space and study; tox -e exports takes 100.
ARCHITECTURES = int(os.environ.get("OPTNAS_ARCHITECTURES", "5"))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def code(model: Model, folder: Path) -> str:
    """Write a network's code, check that it computes what the network does, and return it."""
    traced = traced_of(model)
    folder.mkdir(parents=True, exist_ok=True)
    path = written(PYTHON, traced, folder)
    assert difference(PYTHON, traced) < ROUNDING, path
    return path.read_text(encoding="utf-8")


def random_ones(space, shape, count, folder, seed):
    """Return the code of random architectures of a space."""
    drawn = networks(space, shape, count, seed)
    found = [code(model, folder / str(index)) for index, model in enumerate(drawn)]
    ruff(folder)
    return found


@pytest.mark.parametrize("name", SMALL)
def test_random_architectures_compute_the_same_and_pass_ruff(name, tmp_path):
    space, shape = SMALL[name]
    for text in random_ones(space, shape, 2, tmp_path, seed=name):
        assert "optnas" not in {each.split(".")[0] for each in imported(text)}
        assert "exec(" not in text


def imported(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


def test_it_runs_where_optnas_is_not(tmp_path):
    architecture = parse(
        "seq(conv(6), norm, swish(beta=0.7, learnable=True), basic_block(6), head(outputs=3))"
    )
    model = model_of(architecture, bytes_of_pictures((3, 8, 8)))
    written(PYTHON, traced_of(model), tmp_path)
    x = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8)
    torch.save(x, tmp_path / "x.pt")
    script = (
        "import sys; sys.modules['optnas'] = None\n"
        "import torch, model\n"
        "with torch.inference_mode():\n"
        "    torch.save(model.load()(torch.load('x.pt')), 'y.pt')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    with torch.inference_mode():
        assert torch.allclose(torch.load(tmp_path / "y.pt"), model(x), atol=1e-5)


def test_what_repeats_is_one_class_with_the_numbers_that_differ(tmp_path):
    architecture = spaces.nasbench201(width=4, cells=2).sample(3)
    text = code(model_of(architecture, schema_for((3, 8, 8)), outputs=4), tmp_path)
    assert text.count("class Cell") == 1
    for channels in (4, 8, 16):
        assert f"*(Cell({channels}) for _ in range(2))," in text


def test_blocks_that_differ_in_more_than_numbers_are_not_taken_for_one(tmp_path):
    architecture = parse(
        "seq(transformer_block(2), transformer_block(2, causal=True), transformer_block(4), head(outputs=3))"
    )
    assert "causal=True" in code(model_of(architecture, Arrays((6, 8))), tmp_path)


def test_what_nothing_reads_is_not_in_the_code(tmp_path):
    cell = "cell(node(conv('same')), node(conv('same', kernel=5)), node(skip, inputs=(1,)))"
    text = code(model_of(parse(f"seq(conv(4), {cell}, head(outputs=2))"), schema_for((3, 8, 8))), tmp_path)
    assert ", 5, padding=2" not in text
    assert not any(
        "5, 5" in str(tuple(each.shape)) for each in load_file(tmp_path / "model.safetensors").values()
    )
    ruff(tmp_path)


def test_several_inputs_and_heads_are_named_in_forward(tmp_path):
    schema = Several({"user": Ids((), 8), "picture": bytes_of_pictures((3, 8, 8))})
    architecture = parse(
        "seq(fork(a=seq(input('user'), embedding(4, vocabulary=9)), b=seq(input('picture'), conv(4), relu,"
        " global_avgpool)), fork(kind=seq(concat(input('a'), input('b')), head(3)),"
        " size=seq(input('b'), head(1))))"
    )
    scale = {"heads": {"size": {"deviation": [4.0], "mean": [116.0]}}}
    text = code(model_of(architecture, schema, scale=scale), tmp_path)
    assert "def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:" in text
    assert 'user = x["user"]' in text
    ruff(tmp_path)


def test_inputs_far_from_0_lose_nothing(tmp_path):
    far = Normalize(torch.full((1, 4), 1.7e9, dtype=torch.float64), torch.full((1, 4), 60.0).double())
    text = code(model_of(parse("seq(linear(8), head(outputs=2))"), Arrays((4,), "float64", far)), tmp_path)
    assert "dtype=torch.float64" in text


def test_the_helpers_are_written_as_ruff_formats_them():
    paths = [helpers.__file__, sequence_helpers.__file__]
    options = ["format", "--check", "--isolated", "--no-cache", "--line-length", "100"]
    done = subprocess.run([sys.executable, "-m", "ruff", *options, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_names_of_strangers_are_no_code(tmp_path):
    model = model_of(parse("seq(linear(8), head(outputs=2))"), Arrays((4,)))
    model.record["study"], model.record["trial"] = 'a"""\nimport os\nos.abort()\n"""\\', 3
    plain = ast.parse(code(model_of(parse("seq(linear(8), head(outputs=2))"), Arrays((4,))), tmp_path / "a"))
    strange = ast.parse(code(model, tmp_path / "b"))
    assert [type(each) for each in strange.body] == [type(each) for each in plain.body]
    for place, name in enumerate(['x"], os.abort()', '"' * 3, "'" * 3, "a\0b", "\\"]):
        schema = Several({name: Arrays((3,)), "class": Arrays((2,))})
        joined = f"concat(input({name!r}), input('class'))"
        code(model_of(parse(f"seq({joined}, head(outputs=2))"), schema), tmp_path / f"c{place}")
    model.record["study"] = "a\0b\rc"
    code(model, tmp_path / "d")


# Ops of one's own.

LIMIT = 3.0


def clipped(x):
    return x.clamp(-LIMIT, LIMIT)


@op
def python_soft(x, sharpness=1.0):
    return clipped(nn.functional.softplus(x, beta=sharpness))


@op
class PythonGhost(nn.Module):
    """Half the channels by a convolution, half from those."""

    def __init__(self, in_channels: int, width: int, activation: ops.Node = ops.relu()):  # noqa: B008
        super().__init__()
        self.own = nn.Conv2d(in_channels, width // 2, 3, padding="same")
        self.scale = nn.Parameter(torch.full((1,), 2.0))
        self.cheap = nn.Conv2d(width // 2, width // 2, 1)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        own = self.own(x)
        return self.activation(torch.cat((own, self.scale * self.cheap(own)), 1))


@op
def python_gate(x: Tensor, y: Tensor, sharpness=1.0):
    return x * torch.sigmoid(sharpness * y)


@op
class PythonWeighted(nn.Module):
    def __init__(self, shapes, start: float = 0.5):
        super().__init__()
        self.weight = nn.Parameter(torch.full((shapes[0][0], 1, 1), start))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.weight * x + (1 - self.weight) * y


python_sine = op(torch.sin, name="python_sine")
TABLE = {"factor": 2.0}


@op
def python_table(x):
    return x * TABLE["factor"]


def factory(by):
    @op
    def python_inner(x):
        return x * by

    return python_inner


@pytest.mark.parametrize(
    "architecture",
    [
        ops.seq(python_soft(sharpness=2.0), python_soft(sharpness=3.0)),
        ops.seq(PythonGhost(8), PythonGhost(4, activation=ops.swish(beta=0.3))),
        ops.branch(ops.conv(4), ops.conv(4), merge=python_gate(sharpness=2.0)),
        ops.seq(PythonWeighted(ops.conv(4), ops.conv(4)), python_sine()),
        ops.cell(ops.node(ops.skip()), ops.node(ops.skip(), ops.conv("same"), merge="python_gate")),
    ],
    ids=str,
)
def test_the_source_of_ops_of_ones_own_is_in_the_code(architecture, tmp_path):
    text = code(model_of(architecture, schema_for((3, 8, 8))), tmp_path)
    assert "optnas" not in {each.split(".")[0] for each in imported(text)}
    assert "@op" not in text


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (python_table, "python_table uses 'TABLE', a dict"),
        (factory(2.0), "'python_inner', which depends on where it was defined"),
        (op(lambda x: x + 1, name="python_lambda"), "python_lambda was made from"),
    ],
    ids=str,
)
def test_what_has_no_source_that_can_be_moved_is_refused_in_a_line(own, says, tmp_path):
    architecture = ops.seq(own(), ops.head(2))
    assert says in refusal(architecture, (3, 8, 8))
    with pytest.raises(CannotExport, match="no code is written for the network") as refused:
        PYTHON.content(traced_of(model_of(architecture, schema_for((3, 8, 8)))))
    assert "\n" not in str(refused.value)


# All of it.


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_random_architectures_of_every_ready_space_compute_the_same(name, tmp_path, capsys):
    space, shape = SPACES[name]
    longest = max(each.count("\n") for each in random_ones(space, shape, ARCHITECTURES, tmp_path, seed=name))
    with capsys.disabled():
        print(f"\n{name}: {ARCHITECTURES} architectures, the longest file has {longest} lines")
    assert name != "mobile" or longest < 200


@pytest.mark.slow
@pytest.mark.parametrize("name", [each for each in STUDIES if "nasbench201" not in each])  # has no data
def test_architectures_of_the_studies_compute_the_same(name, tmp_path, monkeypatch):
    prepare_data(name, tmp_path / "data", monkeypatch)
    study = load_study(str(REPOSITORY / "studies" / name))
    torch.set_num_threads(1)
    data, rng = study.task.data, random.Random(0)
    scale = scaling(scaling_record(study.task))
    for index in range(ARCHITECTURES):
        model = model_of(study.space.sample(rng), data.schema, seed=index, **study.task.context)
        scaled = Model(model.network, scale, model.schema, model.answer, model.record)
        scaled.record["study"], scaled.record["trial"] = study.name, index
        code(scaled, tmp_path / "code" / str(index))
    ruff(tmp_path / "code")
