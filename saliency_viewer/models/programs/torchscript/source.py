"""Looking through the source in a TorchScript archive before torch compiles it.

Compiling runs parts of it: defaults of arguments, and ``__setstate__``. And names can be taken along without being
called, so every place where the names of torch begin has to lead to an operator that only computes.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Sequence

import torch

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.aten import is_harmless, quantised
from saliency_viewer.models.programs.faults import damaged

WHAT = "a TorchScript program"
_LOADING = "__setstate__"
_DEEPEST = 100  # brackets and blocks in each other
_LONGEST = 4000  # words of a statement; torch's own parser goes down into them and crashes far beyond
_PRIM = frozenset(
    {"NumToTensor", "RaiseException", "TupleIndex", "TupleUnpack", "Uninitialized", "data", "device", "dtype", "id"}
    | {"abs", "itemsize", "layout", "max", "min", "nbytes", "rangelist", "requires_grad", "tolist", "type", "shape"}
    | {"is_cpu", "is_cuda", "is_meta", "is_mkldnn", "is_mps", "is_nested", "is_quantized", "is_sparse", "is_xpu"}
    | {"is_vulkan", "is_xla", "is_ipu", "is_maia", "is_mtia", "is_sparse_csr", "isinstance"}
    | {"unchecked_cast", "unchecked_unwrap_optional", "EnumName", "EnumValue", "StringIndex", "ModuleContainerIndex"}
)
_CLASSES = ["torch", ".", "classes"]
_WORDS = (tokenize.NAME, tokenize.OP, tokenize.STRING, tokenize.NUMBER)
_BETWEEN = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER)


def look_through(source: bytes) -> None:
    """Raise :class:`UserError` unless the source calls nothing but operators on tensors and numbers."""
    try:
        words = _words(source)
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError, ValueError) as error:
        raise damaged(WHAT, error) from error
    if _LOADING in words:
        raise UserError(
            "The TorchScript program brings code of its own that runs while it is loaded (as quantised ones do), so it "
            "was not loaded.",
            "Export the float32 network with torch.export, or save its state dict.",
        )
    padded = ["", *words, *[""] * 6]
    for position in range(1, len(words) + 1):
        _look_at(padded[position - 1], padded[position : position + 6])


def _words(source: bytes) -> list[str]:
    """Names, signs and texts. Only what torch itself writes, which is no comments: there all parsers read the same."""
    found: list[str] = []
    depth = blocks = length = 0
    source.decode("ascii")
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        blocks += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
        length = 0 if token.type == tokenize.NEWLINE else length + 1
        if token.type in _WORDS:
            depth += (token.string in "([{") - (token.string in ")]}")
            found.append(token.string)
        odd = token.type not in _WORDS + _BETWEEN
        odd |= token.type == tokenize.STRING and (not token.string.startswith('"') or token.string.startswith('"""'))
        if odd or max(depth, blocks) > _DEEPEST or length > _LONGEST:
            raise ValueError("source that torch does not write")
    return found


def _look_at(before: str, words: Sequence[str]) -> None:
    """``words`` begin at some word of the source, ``before`` is the one before them."""
    word, sign, name = words[:3]
    if before == ".":
        if sign == "(":
            _require(_not_an_operator(word) or is_harmless(word), "aten", word)  # a call as of a method: x.resize_(...)
    elif word == "torch":
        _require(sign == "." and words[3] == "(" and is_harmless(name) and not quantised("aten", name), "aten", name)
    elif word == "ops":
        named = sign == "." and words[3] == "." and words[5] == "("
        _require(named and _harmless_in(name, words[4]), name, words[4])
    elif word == "__torch__":
        # The name of a module or function of the program itself; classes of compiled code live in torch.classes.
        _require(sign == "." and (name != "torch" or words[3] == ".") and words[2:5] != _CLASSES, "torch", "classes")
    elif word in ("print", "fork", "awaitable"):
        _require(sign != "(", "prim", word)
    elif before == "," and word.startswith('"') and sign == ")":
        text = word.strip('"')
        _require(_not_an_operator(text) or is_harmless(text), "aten", text)  # getattr(x, "resize_")


def _harmless_in(namespace: str, name: str) -> bool:
    if quantised(namespace, name):
        return False
    return is_harmless(name) if namespace == "aten" else namespace == "prim" and name in _PRIM


def _not_an_operator(name: str) -> bool:
    return not name.isidentifier() or not hasattr(torch.ops.aten, name)


def _require(harmless: bool, namespace: str, name: str) -> None:
    if not harmless:
        # Without a name the functions of torch are taken along as a whole, to choose from later.
        called = f"{namespace}::{name}" if name.isidentifier() else namespace
        raise UserError(
            f"The TorchScript program calls '{called}', which this program does not run, so it was not loaded.",
            "Export the float32 network with torch.export without this operator, or save its state dict.",
        )
