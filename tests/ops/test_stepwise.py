"""Networks computed position by position have the outputs of those computed at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optnas import op, parse, tasks
from optnas.ops.stepwise import NotStepwiseError, Stepwise

SOURCE, LENGTH, WORDS = 6, 7, 11
HEAD = "input('x'), layernorm, lm_head(vocabulary=11)"
START = "fork(memory=seq(input('source'), embedding(8, vocabulary=11), gru(4, bidirectional=True)), x=seq(input('target'), embedding(8, vocabulary=11), positions(kind='learned')))"  # noqa: E501

NETWORKS = [
    f"seq({START}, decoder_block(2), decoder_block(4, expansion=2, rate=0.1, activation=mish), {HEAD})",
    f"seq({START}, update(x=seq(input('x'), residual(lstm(8, layers=2)), norm)), {HEAD})",
    f"seq({START}, update(x=seq(input('x'), conv1d(8, kernel=3, dilation=2, causal=True), relu)),"
    " update(x=gate(input('x'), input('x'))),"
    f" update(x=seq(input('x'), excite(linear(8), sigmoid))), {HEAD})",
    "seq(concat(seq(input('source'), embedding(4, vocabulary=11), gru(4, bidirectional=True)),"
    " seq(input('target'), embedding(8, vocabulary=11))), gru(5), transformer_block(1, causal=True),"
    " positions, lm_head(vocabulary=11))",
]


def built(text: str, source: int = LENGTH) -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = parse(text).build({"source": (source,), "target": (LENGTH,)}).eval()
    for parameter in module.parameters():  # so that no output is near another
        if parameter.dim() > 1:
            parameter.data.normal_()
    return module


def given(samples: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randint(3, WORDS, (samples, LENGTH), generator=generator) for name in ("source", "target")
    }


@pytest.mark.parametrize("text", NETWORKS)
@pytest.mark.parametrize("pieces", [[1] * LENGTH, [3, 1, 3], [LENGTH]])
@torch.no_grad()
def test_positions_one_by_one_are_the_positions_at_once(text: str, pieces: list[int]) -> None:
    module, inputs = built(text), given()
    at_once = module(inputs)
    with Stepwise(module, "target") as stepwise:
        found = [
            stepwise({**inputs, "target": piece}) for piece in torch.split(inputs["target"], pieces, dim=1)
        ]
    torch.testing.assert_close(torch.cat(found, 1), at_once, atol=1e-5, rtol=1e-4)
    assert torch.equal(module(inputs), at_once)  # as before


@torch.no_grad()
def test_a_forward_that_was_replaced_before_is_so_afterwards() -> None:
    module, inputs = built(NETWORKS[1]), given()
    layer = next(part for part in module.modules() if type(part).__name__ == "States")
    replaced = layer.forward
    layer.forward = replaced
    with Stepwise(module, "target") as stepwise:
        stepwise(inputs)
    assert vars(layer)["forward"] is replaced


@torch.no_grad()
def test_a_language_model_takes_one_tensor() -> None:
    module = parse(
        "seq(embedding(8, vocabulary=11), positions, transformer_block(2, causal=True), lm_head(11))"
    )
    module = module.build((LENGTH,)).eval()
    tokens = given()["target"]
    with Stepwise(module) as stepwise:
        found = [stepwise(tokens[:, step : step + 1]) for step in range(LENGTH)]
    torch.testing.assert_close(torch.cat(found, 1), module(tokens))


@pytest.mark.parametrize("text", NETWORKS)
@pytest.mark.parametrize("beams", [1, 3])
@torch.no_grad()
def test_generation_that_keeps_what_it_computed_finds_what_computing_anew_finds(
    text: str, beams: int
) -> None:
    module, source = built(text), given(12)["source"]
    kept = tasks.beam_search(module, source, LENGTH, beams=beams, cached=True)
    assert torch.equal(kept, tasks.beam_search(module, source, LENGTH, beams=beams, cached=False))
    assert torch.equal(kept, tasks.beam_search(module, source, LENGTH, beams=beams))
    assert len(kept.unique()) > 3


@torch.no_grad()
def test_each_position_and_the_source_are_computed_once() -> None:
    module, source = built(NETWORKS[0]), given(4)["source"]
    seen: dict[str, list[int]] = {"linear": [], "source": []}

    def linear(_: nn.Module, inputs: tuple[Tensor], __: Any) -> None:
        seen["linear"].append(inputs[0].shape[1])

    head = [part for part in module.modules() if isinstance(part, nn.Linear)][-1]
    head.register_forward_hook(linear)
    recurrent = next(part for part in module.modules() if isinstance(part, nn.GRU))
    recurrent.register_forward_hook(lambda *_: seen["source"].append(1))
    tasks.beam_search(module, source, LENGTH, beams=2, end=-1, cached=True)
    assert seen == {"linear": [1] * LENGTH, "source": [1]}


@op
def backwards_of_stepwise_test(x: Tensor) -> Tensor:
    return x.flip(1)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("self_attention(2)", "SelfAttention may look at later positions"),
        ("conv1d(8)", "Sequence1d may look at later"),
        ("gru(4, bidirectional=True)", "States may look at later"),
        ("backwards_of_stepwise_test", "Function may look at later"),
        ("first", "may look at later"),
    ],
)
def test_a_network_that_looks_ahead_is_refused_and_generates_without_a_cache(layer: str, said: str) -> None:
    text = f"seq(input('target'), embedding(8, vocabulary=11), {layer}, lm_head(vocabulary=11))"
    if layer == "first":
        text = "seq(input('target'), embedding(8, vocabulary=11), first)"
    module = built(text)
    with pytest.raises(NotStepwiseError, match=said):
        Stepwise(module, "target")
    source = given()["source"]
    with pytest.raises(ValueError, match=said):
        tasks.beam_search(module, source, LENGTH, cached=True)
    if layer != "first":
        assert tasks.beam_search(module, source, LENGTH, beams=2).shape == (3, LENGTH)


@torch.no_grad()
def test_more_positions_than_the_network_was_built_for_are_refused_in_one_line() -> None:
    module, source = built(NETWORKS[0]), given()["source"]
    with pytest.raises(ValueError, match=f"built for {LENGTH} positions, and {LENGTH + 1} come in"):
        tasks.beam_search(module, source, LENGTH + 2, end=-1)
    assert module(given()).shape == (3, LENGTH, WORDS)
