"""Every layer costs exactly what its module is counted at, runs, and reads back from its text."""

from __future__ import annotations

import pytest
import torch

from optnas import ops, parse
from optnas.space import BuildError
from tests.ops.helpers import assert_cost_is_counted, assert_runs

IMAGE, ODD, SEQUENCE, ROW, TOKENS = (8, 8, 8), (8, 7, 9), (6, 8), (8,), (6,)
VOLUME = (4, 3, 6, 5)

ON_IMAGES = [
    "conv(12)",
    "conv('same', kernel=5, stride=2, bias=True)",
    "conv(12, dilation=2)",
    "conv(12, groups=4)",
    "depthwise(kernel=5, stride=2)",
    "sepconv(12, stride=2)",
    "sepconv('same', kernel=5, dilation=2)",
    "transposed_conv(12)",
    "transposed_conv('same', kernel=3)",
    "transposed_conv(4, stride=1, bias=True)",
    "transposed_conv(4, kernel=2, stride=3)",
    "factorized_reduce(width=13)",
    "factorized_reduce",
    "skip",
    "skip(stride=2)",
    "none",
    "none(stride=2)",
    "inverted_residual(12)",
    "inverted_residual('same', expansion=3, squeeze=0.25, activation=hardswish, gate=hardsigmoid)",
    "inverted_residual('same', kernel=5)",
    "inverted_residual(8, expansion=1, drop=0.2)",
    "inverted_residual(16, stride=2, squeeze=0.5)",
    "bottleneck(16)",
    "bottleneck(16, stride=2, groups=4)",
    "bottleneck('same', reduction=2)",
    "basic_block(8)",
    "basic_block(12, stride=2, activation=swish(beta=1.5))",
    "conv_norm(12, stride=2)",
    "relu_conv_bn(3)",
    "relu_sepconv_bn(3, stride=2)",
    "relu_dilconv_bn(5)",
    "squeeze_excite(3)",
    "excite(conv('same', kernel=1), sigmoid)",
    "channel_shuffle(4)",
    "maxpool(2)",
    "maxpool(3, stride=1)",
    "avgpool(3, stride=2)",
    "global_avgpool",
    "global_maxpool",
    "adaptive_avgpool(3)",
    "adaptive_maxpool(2)",
    "norm",
    "layernorm",
    "groupnorm(4)",
    "instancenorm",
    "dropout(rate=0.3)",
    "drop_path(rate=0.3)",
    "prelu(per_channel=True)",
    "softmax",
    "head(outputs=5)",
    "add(conv('same'), skip, none)",
    "concat(conv(4), maxpool(3, stride=1))",
    "mean(conv(4), conv(4, kernel=1))",
    "gate(conv(4), conv(4))",
    "mul(identity, conv('same', kernel=1))",
    "blend(identity, relu, beta=0.3, learnable=True)",
    "branch(conv(4), conv(4), merge='concat')",
    "residual(conv(12, stride=2), norm, relu)",
    "patches(12, 1)",
    "to_sequence",
    "seq(to_sequence, gru(5), last)",
    "upsample",
    "upsample(scale=3, kind='bilinear')",
    "unet(seq(conv(4), norm, relu), depth=2)",
    "unet(conv(4), depth=2, merge='add', kind='bilinear')",
    "unet(conv_norm(4), depth=2, merge=('none', 'concat'), growth=1, down=conv('same', stride=2))",
    "seq(fpn(conv(4), conv(6, stride=2), maxpool(2), width=5), input('p0'))",
    "seq(fpn(conv(4), maxpool(2), width=5, kind='bilinear'), input('p1'))",
]

ON_VOLUMES = [
    "conv(6)",
    "conv('same', kernel=(1, 3, 5), stride=2, bias=True)",
    "conv(6, kernel=2, groups=2, padding=1)",
    "depthwise(kernel=5, dilation=2)",
    "sepconv(6, stride=2)",
    "transposed_conv(6)",
    "transposed_conv('same', kernel=3, stride=1, bias=True)",
    "upsample",
    "upsample(kind='bilinear')",
    "maxpool(2)",
    "maxpool((1, 2, 2))",
    "avgpool(3, stride=2)",
    "global_avgpool",
    "global_maxpool",
    "adaptive_avgpool(2)",
    "adaptive_maxpool(4)",
    "norm",
    "layernorm",
    "groupnorm(2)",
    "instancenorm",
    "channel_shuffle(2)",
    "none(stride=2)",
    "basic_block(6, stride=2)",
    "squeeze_excite(3)",
    "unet(conv(2), depth=1, merge='add', kind='bilinear')",
    "to_sequence",
    "head(outputs=5)",
]

ON_SEQUENCES = [
    "linear(5)",
    "linear('same')",
    "conv1d(5)",
    "conv1d('same', kernel=5, stride=2, dilation=2)",
    "conv1d(4, groups=4, causal=True, bias=False)",
    "lstm(5)",
    "lstm(5, layers=2, bidirectional=True, dropout=0.2)",
    "gru(5)",
    "gru(5, layers=2, bidirectional=True)",
    "rnn(5, layers=3)",
    "rnn(5, dropout=0.5)",
    "self_attention(4)",
    "self_attention(2, causal=True, dropout=0.1, bias=False)",
    "feed_forward",
    "feed_forward(expansion=2, activation=relu, rate=0.1)",
    "transformer_block(2)",
    "transformer_block(4, expansion=2, rate=0.1, causal=True)",
    "positions",
    "positions(kind='learned')",
    "class_token",
    "first",
    "last",
    "norm",
    "layernorm",
    "groupnorm(2)",
    "prelu(per_channel=True)",
    "softmax",
    "flatten",
    "head(outputs=5)",
    "lm_head(vocabulary=11)",
    "residual(lstm(8))",
    "concat(lstm(3), gru(4))",
    "transposed_conv(5)",
    "transposed_conv('same', kernel=3, stride=3, bias=True)",
    "upsample(scale=3)",
    "upsample(kind='bilinear')",
    "maxpool(2)",
    "maxpool(3, stride=2)",
    "avgpool(3, stride=1)",
    "global_avgpool",
    "global_maxpool",
    "adaptive_avgpool(4)",
    "adaptive_maxpool(4)",
    "cross_attention(identity, conv1d(5, stride=2), heads=2)",
    "cross_attention(linear(6), identity, heads=3, dropout=0.1, bias=False)",
    "seq(fork(memory=linear(4), x=identity), decoder_block(2, expansion=2, rate=0.1), input('x'))",
    "graph_conv(5, ((0, 1), (2, 5)))",
    "graph_conv('same', (), bias=False)",
]

ON_ROWS = [
    "linear(5)",
    "norm",
    "layernorm",
    "groupnorm(4)",
    "head(outputs=5)",
    "softmax",
    "concat(linear(3), skip)",
]
ON_TOKENS = ["embedding(6)", "seq(embedding(6), gru(5), head(outputs=3))", "seq(embedding(6), lm_head)"]

# Batch norm takes no single position of a batch of one, nor the odd image this one.
CASES = [
    *((text, shape) for text in ON_IMAGES for shape in (IMAGE, ODD)),
    *((text, VOLUME) for text in ON_VOLUMES),
    *((text, SEQUENCE) for text in ON_SEQUENCES),
    *((text, ROW) for text in ON_ROWS),
    *((text, TOKENS) for text in ON_TOKENS),
]


@pytest.mark.parametrize(("text", "shape"), CASES, ids=lambda value: str(value))
def test_a_layer_costs_what_its_module_is_counted_at(text, shape):
    architecture = parse(text)
    assert str(architecture) == text
    context = {"vocabulary": 11} if shape == TOKENS else {}
    assert_cost_is_counted(architecture, shape, **context)
    assert_cost_is_counted(architecture, shape, train=True, **context)
    assert_runs(architecture, shape, **context)


@pytest.mark.parametrize(
    ("text", "shape", "says"),
    [
        ("conv(12, groups=5)", IMAGE, "must divide"),
        ("conv('wide')", IMAGE, "'same'"),
        ("conv(12)", SEQUENCE, "channels, height, width.*conv1d"),
        ("conv(12)", (2, 3, 4, 5, 6), "channels, depth, height, width"),
        ("conv(12, kernel=(3, 3))", VOLUME, "or three"),
        ("conv(12, kernel=(3, 3, 1))", IMAGE, "or two"),
        ("upsample(kind='cubic')", IMAGE, "'nearest' or 'bilinear'"),
        ("upsample(scale=0)", IMAGE, "at least 1"),
        ("upsample", ROW, "length, features"),
        ("to_sequence", SEQUENCE, "channels, height, width"),
        ("maxpool(2)", ROW, "length, features"),
        ("cross_attention(identity, identity, heads=3)", SEQUENCE, "must divide 8"),
        ("cross_attention(identity, first, heads=2)", SEQUENCE, "length, features"),
        ("cross_attention(identity, heads=2)", SEQUENCE, "merges 2 branches"),
        ("decoder_block(2)", SEQUENCE, "one tensor comes in"),
        ("graph_conv(5, ((0, 6),))", SEQUENCE, "outside the nodes 0 to 5"),
        ("graph_conv(5, ((0, 1, 2),))", SEQUENCE, "no pair of nodes"),
        ("unet(conv(4), merge='mul')", IMAGE, "'concat', 'add' or 'none'"),
        ("unet(conv(4), merge=('add', 'add'))", IMAGE, "each of the 3 levels"),
        ("unet(conv(4), depth=5)", IMAGE, "does not fit"),
        ("fpn", IMAGE, "at least one stage"),
        ("groupnorm(3)", IMAGE, "must divide 8"),
        ("instancenorm", (8, 1, 1), "one point"),
        ("channel_shuffle(3)", IMAGE, "must divide"),
        ("add(conv(4), conv(5))", IMAGE, "different shapes"),
        ("add", IMAGE, "at least 1"),
        ("gate(conv(4))", IMAGE, "at least 2"),
        ("branch(conv(4), merge='conv')", IMAGE, "is no merge"),
        ("self_attention(3)", SEQUENCE, "must divide 8"),
        ("self_attention(2)", IMAGE, "length, features"),
        ("positions(kind='sine')", SEQUENCE, "'sinusoidal' or 'learned'"),
        ("embedding(6)", TOKENS, "how many words"),
        ("embedding(6, vocabulary=9)", SEQUENCE, "tokens"),
        ("patches(8, 3)", IMAGE, "do not tile"),
        ("skip(stride=3)", IMAGE, "keeps the image or halves it"),
        ("excite(conv(3))", IMAGE, "do not multiply"),
        ("celu(alpha=0.0)", IMAGE, "must not be 0"),
    ],
)
def test_what_does_not_fit_is_said(text, shape, says):
    with pytest.raises(BuildError, match=says):
        parse(text).cost(shape)


def test_the_halves_of_a_factorised_reduction_see_different_pixels():
    module = ops.factorized_reduce(width=2).build((1, 4, 4)).eval()
    image = torch.rand(1, 1, 4, 4, requires_grad=True)
    module(image).abs().sum().backward()
    seen = torch.eye(2).repeat(2, 2).bool()
    assert torch.equal(image.grad[0, 0] != 0, seen)


def test_attention_does_not_look_ahead_where_it_must_not():
    for block in (
        ops.self_attention(2, causal=True),
        ops.transformer_block(2, causal=True),
        ops.conv1d(8, kernel=3, dilation=2, causal=True),
        ops.lstm(8),
    ):
        module = block.build(SEQUENCE).eval()
        sequence = torch.randn(1, *SEQUENCE)
        changed = sequence.clone()
        changed[:, 4:] += 1
        before, after = module(sequence), module(changed)
        assert torch.allclose(before[:, :4], after[:, :4], atol=1e-6)
        assert not torch.allclose(before[:, 4:], after[:, 4:], atol=1e-3)


def test_normalisation_of_a_sequence_is_of_its_features():
    sequence = torch.randn(4, *SEQUENCE) * 3 + 1
    out = ops.norm().build(SEQUENCE).train()(sequence)
    assert torch.allclose(out.mean((0, 1)), torch.zeros(8), atol=1e-5)


def test_the_merge_can_be_chosen():
    from optnas import choose

    space = ops.branch(ops.conv(4), ops.conv(4), merge=choose("add", "concat", "gate", name="merge"))
    shapes = {space.close({"merge": merge}).cost(IMAGE).shape for merge in ("add", "concat", "gate")}
    assert shapes == {(4, 8, 8), (8, 8, 8)}
    assert space.close({"merge": "add"}).key == ops.add(ops.conv(4), ops.conv(4)).key
