"""A study of series for real.py: which of six wave forms a noisy signal of 64 steps has."""

from __future__ import annotations

import numpy as np

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks


def waves(samples: int, steps: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return signals, shape (samples, steps, 1), and their classes."""
    rng = np.random.default_rng(0)
    forms = [
        np.sin,
        lambda x: np.sign(np.sin(x)),
        lambda x: 2 * np.abs((x / np.pi) % 2 - 1) - 1,  # triangle
        lambda x: (x / np.pi) % 2 - 1,  # saw tooth
        lambda x: np.sin(x) * np.sin(0.25 * x),
        lambda x: np.sin(x * (1 + 0.1 * x / (2 * np.pi))),  # chirp
    ]
    classes = rng.integers(len(forms), size=samples)
    time = np.arange(steps)[None] * rng.uniform(0.3, 0.6, (samples, 1)) + rng.uniform(0, 6, (samples, 1))
    clean = np.stack([forms[c](x) for c, x in zip(classes, time, strict=True)])
    noisy = clean * rng.uniform(0.5, 1.5, (samples, 1)) + rng.normal(0, 0.5, clean.shape)
    return noisy[..., None].astype(np.float32), classes


width = choose(8, 16, 32, 64, name="width")
layer = choose(
    ops.seq(ops.conv1d(width, choose(3, 5, 7, name="kernel")), ops.relu()),
    ops.gru(width),
    ops.identity(),
    name="op",
)

study = Study(
    name="series",
    space=ops.seq(repeat(layer, 1, 3, name="layer"), ops.head()),
    task=tasks.classification(data.tensors(*waves(2_000), name="waves")),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(
        epochs=9, batch_size=64, optimizer=choose("adam", "sgd"), lr=real(1e-3, 1e-1, log=True)
    ),
)
