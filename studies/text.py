"""Character language models: perplexity against FLOPs.

optnas run studies/text.py:recurrent --trials 30
optnas run studies/text.py:transformer --trials 30
"""

import os

from optnas import Study, Training, data, minimize, real, spaces, tasks

# A text of yours in UTF-8; without it the beginning of the sources of Python's standard library.
TEXT = os.environ.get("OPTNAS_TEXT")

task = tasks.language(data.text(TEXT, context=32, characters=100_000))
training = Training(epochs=3, batch_size=32, optimizer="adamw", lr=real(1e-3, 3e-2, log=True))

recurrent = Study(
    name="text_recurrent",
    space=spaces.recurrent("language_modelling", most=2, widths=(16, 32, 64, 128)),
    task=task,
    objectives=[minimize("perplexity"), minimize("flops")],
    training=training,
)

transformer = Study(
    name="text_transformer",
    space=spaces.transformer("language_modelling", most=2, widths=(16, 32, 64), heads=(1, 2, 4)),
    task=task,
    objectives=[minimize("perplexity"), minimize("flops")],
    training=training,
)
