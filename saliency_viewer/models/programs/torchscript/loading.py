"""Loading a TorchScript program that was looked through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.torchscript.archive import harmless_copy


@dataclass(frozen=True, eq=False)
class Script:
    """A program.

    Attributes
    ----------
    module:
        The ``torch.jit.ScriptModule``: float32, on the CPU, in evaluation mode where it knows modes.
    graphs:
        The graph of every function and method by its full name, calls in them not yet followed.
    """

    module: Any
    graphs: Mapping[str, Any]


def load_script(content: bytes) -> Script:
    """The program in a file; raises :class:`UserError` for damaged ones and those that do more than to compute."""
    archive = harmless_copy(content)
    try:
        # What torch.jit.load does, which keeps the functions to itself and warns at every call.
        unit: Any = torch._C.CompilationUnit()
        load: Any = torch._C.import_ir_module_from_buffer
        wrap: Any = torch.jit._recursive.wrap_cpp_module
        module = wrap(load(unit, archive, torch.device("cpu"), {}, False))
        return Script(module.eval().float(), {one.qualified_name: one.graph for one in unit.get_functions()})
    except (RuntimeError, ValueError, AttributeError, TypeError) as error:
        raise UserError(
            "The TorchScript program cannot be loaded: it is damaged, or was written by a newer torch.",
            "Copy it again, or export the network with torch.export.",
            (str(error).strip().splitlines() or [""])[0],
        ) from error
