"""The study files that ``optnas init`` writes: one for each kind of data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from string import Template

from optnas.errors import UserError, nearest
from optnas.pruners.registry import PRUNERS
from optnas.samplers.registry import SAMPLERS

__all__ = ["KINDS", "study_file"]

_HEAD = '''\
"""Search for networks of high accuracy and few FLOPs. Run it:  optnas run $file --trials 40"""
'''

_TAIL = """\
    # What breaks a limit is not trained. A function of the candidate serves as well.
    constraints=["params <= 200_000"],
    # How each candidate is trained; choices here are searched along with the architecture.
    training=Training(
        epochs=$epochs,
        batch_size=$batch,
        optimizer=choose("adam", "rmsprop", "sgd"),
        lr=real(1e-3, 1e-1, log=True),
    ),
$samplers
    sampler="ehvi",
$pruners
    pruner="none",
)
"""

_IMAGE_LAYER = """
# A choice left open. The same name in one layer is the same decision; each layer has its own.
width = choose(8, 16, 32, 64, name="width")
kernel = choose(3, 5, name="kernel")

# Options may be ops, with choices of their own: beta is only searched where swish is chosen.
activation = choose(ops.relu(), ops.mish(), ops.swish(beta=real(0.5, 2.0)), name="activation")

# One layer: layer0.op, layer0.width, layer0.kernel and layer0.activation in the dashboard.
layer = ops.seq(
    choose(ops.conv(width, kernel), ops.sepconv(width, kernel), ops.identity(), name="op"),
    ops.norm(),
    activation,
)
"""

_CLASSES = """\
    # Any of accuracy, error, loss, f1, top2 to top10, seconds, flops, macs, params, activations,
    # elementwise, depth, width, and measured ones: latency_ms, latency_p95_ms, peak_memory, energy, size.
    objectives=[maximize("accuracy"), minimize("flops")],
"""

_DIGITS = (
    """
from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks
"""
    + _IMAGE_LAYER
    + """
study = Study(
    name=$name,
    # One to four such layers, then a pooling and as many outputs as the data has classes.
    space=ops.seq(repeat(layer, 1, 4, name="layer"), ops.maxpool(2), ops.head()),
    # Data of your own: optnas init --kind tabular, images, series or text.
    task=tasks.classification(data.digits()),
"""
    + _CLASSES
)

_TABULAR = (
    """
from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks

# Your table, a CSV file with a row for each sample, and the column to predict. While it is None, the
# study learns scikit-learn's wines instead. What is understood of a file: optnas data FILE --target COLUMN
# A column that cannot be used, such as free text, is left out by drop=["notes"] beside target.
FILE, COLUMN = None, "column"

table = data.sklearn("wine") if FILE is None else data.csv(FILE, target=COLUMN)

# A choice left open. The same name in one layer is the same decision; each layer has its own.
width = choose(8, 16, 32, 64, name="width")
layer = ops.seq(
    ops.linear(width),
    choose(ops.norm(), ops.identity(), name="norm"),
    choose(ops.relu(), ops.gelu(), name="activation"),
)

study = Study(
    name=$name,
    # One to three such layers, then as many outputs as the column has classes.
    space=ops.seq(repeat(layer, 1, 3, name="layer"), ops.head()),
    # For a column of values: tasks.regression(table), and minimize("rmse") in place of accuracy.
    task=tasks.classification(table),
"""
    + _CLASSES
)

_IMAGES = (
    """
from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks

# Your images: a folder with one subfolder for each class, brought to SIZE × SIZE pixels. (It needs
# torchvision: pip install torchvision.) While it is None, the study learns handwritten digits instead.
FOLDER, SIZE = None, 32

images = data.digits() if FOLDER is None else data.image_folder(FOLDER, size=SIZE)
"""
    + _IMAGE_LAYER
    + """
study = Study(
    name=$name,
    # One to three such layers, half the pixels, one to three more, then an output for each class.
    space=ops.seq(
        repeat(layer, 1, 3, name="layer"),
        ops.maxpool(2),
        repeat(layer, 1, 3, name="later"),
        ops.global_avgpool(),
        ops.head(),
    ),
    task=tasks.classification(images),
"""
    + _CLASSES
)

_SERIES = (
    """
import numpy as np

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks

# Your series: an .npz file with arrays x, shape (samples, length, features), and y, the class of each
# sample. (For x of shape (samples, features, length) say layout="channels_first" below.) While it is
# None, the study tells waves that become faster from those that become slower.
FILE = None


def series():
    if FILE is not None:
        arrays = np.load(FILE)
        return arrays["x"], arrays["y"]
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    time = np.linspace(0, 1, 48)
    phase = rng.uniform(0, 6, (400, 1)) + 20 * time + np.where(y, 12, -12)[:, None] * time**2
    return np.stack([np.sin(phase), np.cos(phase)], axis=2) + rng.normal(0, 0.2, (400, 48, 2)), y


# A choice left open. The same name in one layer is the same decision; each layer has its own.
width = choose(8, 16, 32, 64, name="width")
convolution = ops.seq(ops.conv1d(width, choose(3, 5, 9, name="kernel")), ops.norm(), ops.relu())
layer = choose(convolution, ops.gru(width), name="op")

study = Study(
    name=$name,
    # One to three such layers, then the mean over the time or its last step, and an output for each class.
    space=ops.seq(
        repeat(layer, 1, 3, name="layer"), choose(ops.head(), ops.seq(ops.last(), ops.head()), name="end")
    ),
    # For values in place of classes: tasks.regression(…), and minimize("rmse") in place of accuracy.
    task=tasks.classification(data.tensors(*series(), layout="channels_last")),
"""
    + _CLASSES
)

_TEXT = """
from optnas import Study, Training, choose, data, minimize, real, spaces, tasks

# Your text, a file in UTF-8, of which the networks predict each next character. While it is None, they
# read the beginning of Python's standard library instead.
FILE = None

study = Study(
    name=$name,
    # One or two recurrent layers; spaces.transformer("language_modelling") has attention instead.
    space=spaces.recurrent("language_modelling", most=2, widths=(16, 32, 64, 128)),
    # Windows of 32 characters of the first 50,000; None reads all.
    task=tasks.language(data.text(FILE, context=32, characters=50_000)),
    # Any of perplexity, bits_per_character, loss, seconds, flops, macs, params, activations, elementwise,
    # depth, width, and measured ones: latency_ms, latency_p95_ms, peak_memory, energy, size.
    objectives=[minimize("perplexity"), minimize("flops")],
"""

# The middle of each file, the epochs of a training and its batch size.
_FILES = {
    "digits": (_DIGITS, 9, 64),
    "tabular": (_TABULAR, 27, 16),
    "images": (_IMAGES, 9, 64),
    "series": (_SERIES, 9, 32),
    "text": (_TEXT, 3, 32),
}
KINDS = tuple(_FILES)


def study_file(kind: str, path: Path) -> str:
    """Return the text of a study file for one kind of data; it runs as it is.

    Args:
        kind: One of :data:`KINDS`.
        path: Where it will be.

    Raises:
        UserError: If there is no such kind.
    """
    if kind not in _FILES:
        raise UserError(f"--kind {kind}: {nearest(kind, KINDS)}")
    middle, epochs, batch = _FILES[kind]
    name = '"' + path.stem.replace("\\", "").replace('"', "") + '"'
    return Template(_HEAD + middle + _TAIL).substitute(
        file=path.as_posix(),
        name=name,
        epochs=epochs,
        batch=batch,
        samplers=_one_of(SAMPLERS, "any Optuna sampler"),
        pruners=_one_of(PRUNERS, "any Optuna pruner"),
    )


def _one_of(names: Iterable[str], other: str) -> str:
    """Return a comment of the study's call that lists names, wrapped as the rest of the file is."""
    return textwrap.fill(
        f"One of {', '.join(names)}, or {other}.",
        width=110,
        initial_indent="    # ",
        subsequent_indent="    # ",
        break_on_hyphens=False,
    )
