"""Attention in one operator (version 23 and later), and sums written as in Einstein's convention."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from saliency_viewer.models.programs.onnx_reading.reader import Handler, Node, Reader, Unsupported


def _attention(reader: Reader, node: Node) -> Any:
    if any(node[k] is not None for k in (4, 5, 6)) or node.get("softcap", 0.0):
        raise Unsupported("attention with a memory of earlier tokens")
    heads = (node.get("q_num_heads"), node.get("kv_num_heads"), node.get("kv_num_heads"))
    flat = len(reader.shape(node[0])) == 3
    parts = [_in_heads(reader, node[k], heads[k]) if flat else node[k] for k in range(3)]
    scale = {"scale": node.get("scale")} if node.get("scale") else {}
    arguments = (*parts, node[3], 0.0, bool(node.get("is_causal", 0)))
    found = reader.emit(functional.scaled_dot_product_attention, *arguments, **scale)
    if not flat:
        return found
    count, number, tokens, size = reader.shape(found)
    turned = reader.emit(torch.permute, found, [0, 2, 1, 3])
    return reader.emit(torch.reshape, turned, [count, tokens, number * size])


def _in_heads(reader: Reader, given: Any, heads: int) -> Any:
    """(N, tokens, heads * size) as (N, heads, tokens, size)."""
    count, tokens, width = reader.shape(given)
    parts = reader.emit(torch.reshape, given, [count, tokens, heads, width // heads])
    return reader.emit(torch.permute, parts, [0, 2, 1, 3])


def _einsum(reader: Reader, node: Node) -> Any:
    return reader.emit(torch.einsum, node.get("equation"), list(node.inputs))


HANDLERS: dict[str, Handler] = {"Attention": _attention, "Einsum": _einsum}
