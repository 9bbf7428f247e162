"""Labels of the boxes of a drawing: a layer's name, its arguments, its shape, and its kind."""

from __future__ import annotations

from typing import Any

from optnas.drawing.formula import formula
from optnas.space import Node
from optnas.space.holes import Choose, Hole, Integer, Real, Repeat, is_open

__all__ = ["compact", "kind_of", "option_text", "title_of", "words_of"]

_KINDS = {
    "input": "input",
    "conv": "conv depthwise sepconv transposed_conv conv1d conv_norm relu_conv_bn relu_sepconv_bn"
    " relu_dilconv_bn basic_block bottleneck inverted_residual squeeze_excite factorized_reduce offset_convs"
    " patches unet fpn graph_conv",
    "linear": "linear head lm_head feed_forward",
    "norm": "norm layernorm groupnorm instancenorm",
    "pool": "maxpool avgpool global_avgpool global_maxpool adaptive_avgpool adaptive_maxpool upsample",
    "attention": "self_attention cross_attention transformer_block decoder_block",
    "recurrent": "lstm gru rnn",
    "tokens": "embedding positions class_token first last",
    "activation": "softmax",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}
_ACTIVATIONS = (
    "optnas.ops.activations",
    "optnas.ops.elementary",
    "optnas.ops.expressions",
    "optnas.ops.pointwise",
)

# How an argument reads in a box; {} is its value.
_READS = {
    "width": "{}",
    "kernel": "{}",
    "stride": "/{}",
    "scale": "×{}",
    "size": "{}",
    "kind": "{}",
    "merge": "{}",
    "activation": "{}",
    "expansion": "×{}",
    "reduction": "÷{}",
    "heads": "{} heads",
    "groups": "{} groups",
    "layers": "{} layers",
    "rate": "p {}",
    "dropout": "p {}",
    "beta": "β {}",
    "alpha": "α {}",
    "squeeze": "SE {}",
    "depth": "{} deep",
}
_TITLES = {"relu_conv_bn": "conv", "relu_sepconv_bn": "sepconv", "relu_dilconv_bn": "dilconv"}
_FIRST = ("kernel", "size", "stride", "width", "heads", "expansion")


def kind_of(node: Node) -> str:
    """Return the kind of a layer: one of the keys of :data:`~optnas.drawing.theme.KINDS`."""
    op = node.op
    if not op.builtin or op.defined_in == "optnas.drawing.reading":
        return "own"
    if op.defined_in in _ACTIVATIONS or op.defined_in == "optnas.ops.merges":
        return "activation"
    return _KIND_OF.get(op.name, "plain")


def title_of(node: Node) -> str:
    """Return the name of a layer as people say it."""
    return _TITLES.get(node.op.name, node.op.name.replace("_", " "))


def words_of(node: Node) -> tuple[str, ...]:
    """Return the words of a layer's label: its name, then its arguments that are not defaults."""
    arguments = dict(node.args)
    if kind_of(node) == "input":
        return (option_text(arguments["name"]),)
    if kind_of(node) == "activation" and (node.children or "of" in arguments):
        return (formula(node),)
    if node.op.chain and node.children:
        *first, last = map(option_text, node.children)
        return (*(f"{each} →" for each in first), last)
    ordered = [name for name in _FIRST if name in arguments]
    ordered += [name for name in arguments if name not in _FIRST]
    words = [_argument(node, name, arguments[name]) for name in ordered]
    return (title_of(node), *(word for word in words if word))


def _argument(node: Node, name: str, value: Any) -> str:
    required, default = node.op.default(name)
    if not required and value == default and type(value) is type(default):
        return ""
    if value is None or value is False or value == "same":
        return ""
    if value is True:
        return "learned" if name == "learnable" else name.replace("_", " ")
    text = option_text(value)
    if name in ("kernel", "size") and node.op.name != "conv1d":
        text = f"{text}×{text}" if isinstance(value, int) else text
        if isinstance(value, tuple):
            text = "×".join(map(str, value))
    if name.startswith("#"):
        return text
    if is_open(value) and name in ("width", "kernel", "stride", "size"):
        return f"{name} {text}"
    return _READS.get(name, name.replace("_", " ") + " {}").replace("{}", text)


def option_text(value: Any) -> str:
    """Return a short text of a value in a tree: of an option, an argument or a hole."""
    match value:
        case Node():
            return " ".join(words_of(value)) if not value.children else _with_children(value)
        case Choose(options=options):
            return "{" + ", ".join(map(option_text, options)) + "}"
        case Integer(low=low, high=high) | Real(low=low, high=high):
            return f"{option_text(low)}–{option_text(high)}"
        case Repeat(body=body):
            return f"{copies(value)} {option_text(body)}"
        case Hole():
            return value.word
        case float():
            return f"{value:.3g}"
        case tuple():
            return "(" + ", ".join(map(option_text, value)) + ")"
    return str(value)


def _with_children(node: Node) -> str:
    if node.op.chain:
        return " → ".join(map(option_text, node.children))
    return f"{title_of(node)} of {', '.join(map(option_text, node.children))}"


def copies(repeat: Repeat) -> str:
    """Return the number of copies of a repeat as text, such as ×1–4."""
    return f"×{repeat.low}" if repeat.low == repeat.high else f"×{repeat.low}–{repeat.high}"


def compact(value: float) -> str:
    """Return a count with three digits.

    >>> compact(921_760), compact(17), compact(1_234_567)
    ('922k', '17', '1.23M')
    """
    for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.0f}"
