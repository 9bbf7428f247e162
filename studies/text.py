"""Character language models: perplexity against FLOPs, two studies in one file.

    optnas run studies/text.py:recurrent --trials 30
    optnas run studies/text.py:transformer --trials 30

Either takes two to three minutes on two CPU cores. Each network reads the beginning of Python's
standard library three times, 80,000 characters in windows of 32, of which FLOPs are counted. Expect
recurrent networks from a perplexity of 12 at 0.3 MFLOPs to 7.5 at 9 MFLOPs, and transformers, which
need longer trainings, from 14 at 0.3 to 11.5 at 4; guessing by how often characters are has 26. Set
OPTNAS_TEXT to a file to learn another text. Of what ``optnas train`` wrote,
``optnas.load(folder).predict("def f(", length=200, temperature=0.8)`` goes on from a text.
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
