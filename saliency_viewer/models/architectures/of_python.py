"""`python:FILE:CLASS`: a class in a file of the package, run only with consent."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures.request import Request, called
from saliency_viewer.models.checked_table import near_match
from saliency_viewer.models.own_code import OwnCode, own_code

if TYPE_CHECKING:
    from torch import nn


def build(request: Request) -> nn.Module:
    """The class of that name, without weights. Raises :class:`UserError` when the code is not allowed."""
    code = own_code(f"python:{request.name}", request.files)
    assert code is not None  # the prefix says so
    if not code.is_allowed(request.trust_code):
        raise UserError(
            "This model package brings its own Python code, which could do anything on this computer: it was not run.",
            "If you know where it comes from, read the file and allow it: in the window when it asks (choose the "
            "package again if the file was changed since), on the command line with --trust-code.",
            f"sha256 of the code: {code.digest}",
        )
    module = _run_code(code)
    found = getattr(module, code.class_name, None)
    if not callable(found):
        names = [name for name, value in vars(module).items() if isinstance(value, type) and not name.startswith("_")]
        raise UserError(f"The package's code defines no '{code.class_name}'.", near_match(code.class_name, names))
    return called(found, code.class_name, request.arguments)


def _run_code(code: OwnCode) -> types.ModuleType:
    import sys

    name = f"saliency_viewer_user_code_{code.digest[:16]}"
    module = types.ModuleType(name)
    # Dataclasses and deep copies look their module up by name, so it has to be known while it runs and after.
    sys.modules[name] = module
    try:
        exec(compile(code.source, "<code of the model package>", "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        raise UserError(
            "The model package's code stopped with an error.",
            "Mend it; it may import installed libraries, but no other files of the package.",
            f"{type(error).__name__}: {error}",
        ) from error
    return module
