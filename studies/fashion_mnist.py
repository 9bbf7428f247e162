"""Networks for 28×28 pictures of clothes (Fashion-MNIST): accuracy against FLOPs. Two studies.

    optnas run studies/fashion_mnist.py:mobile --trials 40
    optnas run studies/fashion_mnist.py:chain --trials 40

The data is looked for in the folder that OPTNAS_DATA names, by default ~/.cache/optnas, and downloaded
(30 MB) where it is not there. A search trains for three epochs on a tenth of the training part, which
ranks networks but is no measure of how good they get: train the ones you like for longer, on all of it.

On one CPU core a trial of ``chain`` takes some 8 seconds and one of ``mobile`` some 30. Sixteen trials
found chains from 20 FLOPs at 14 % (nothing but pooling) to 1 million at 73 % validation accuracy, and
mobile networks from 0.75 million FLOPs at 75 % to 3.9 million at 81 %.
"""

import os

from optnas import Study, Training, choose, data, maximize, minimize, real, spaces, tasks

clothes = tasks.classification(
    data.torchvision(
        "FashionMNIST",
        root=os.environ.get("OPTNAS_DATA", "~/.cache/optnas"),
        download=True,
        samples=6_000,
    )
)
training = Training(
    epochs=3,
    batch_size=64,
    optimizer=choose("adam", "sgd"),
    lr=real(1e-3, 1e-1, log=True),
    crop=choose(0, 1, 2),
    flip=choose(False, True),
)

mobile = Study(
    name="fashion-mnist-mobile",
    # MobileNetV3's blocks in three stages, of 14×14, 7×7 and 4×4 pixels.
    space=spaces.mobile(((8, 2, 1), (16, 2, 2), (24, 2, 2))),
    task=clothes,
    objectives=[maximize("accuracy"), minimize("flops")],
    constraints=["params <= 100_000"],
    training=training,
)

chain = Study(
    name="fashion-mnist-chain",
    space=spaces.chain(most=6, widths=(8, 16, 32)),
    task=clothes,
    objectives=[maximize("accuracy"), minimize("flops")],
    constraints=["flops <= 20_000_000"],
    training=training,
)
