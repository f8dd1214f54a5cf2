"""Naming the argument by which a network cannot be made, and those that it knows."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import near_match

# How Python words it, for instance: DenseNet.__init__() got an unexpected keyword argument 'clases'.
_UNKNOWN = re.compile(r"([\w.<>]+)\(\) got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"\(\) missing \d+ required (?:positional|keyword-only) arguments?: (.+)")
_NEVER = {"self", "weights", "pretrained", "progress"}  # Python's own, and what would fetch weights


def argument_error(error: Exception, name: str, given: Mapping[str, Any], own: Iterable[str]) -> UserError | None:
    """The error about an argument of the network ``name``; None where ``error`` is about something else.

    Parameters
    ----------
    error:
        What making the network raised.
    given:
        The card's arguments.
    own:
        Arguments that the program itself takes before the network's.
    """
    detail = f"{type(error).__name__}: {error}"
    unknown = _UNKNOWN.search(str(error))
    if unknown and unknown[2] in given:
        known = [one for one in dict.fromkeys([*own, *_known(error, unknown[1])]) if one not in _NEVER]
        hint = near_match(unknown[2], known, "It knows") if known else "Take it out of model.arguments."
        message = f"model.toml: the network '{name}' has no argument '{unknown[2]}' (model.arguments)."
        return UserError(message, hint, detail)
    missing = _MISSING.search(str(error))
    if missing:
        return UserError(
            f"The network '{name}' needs arguments that model.toml does not give: {missing[1]}.",
            "Write them into model.arguments.",
            detail,
        )
    return None


def _known(error: Exception, called: str) -> Iterator[str]:
    """Names of the parameters of what was called last, and of the constructors around it, the innermost first.

    Libraries' makers hand their arguments on to classes, so only the traceback knows which class refused one.
    """
    frames: list[FrameType] = []
    trace = error.__traceback__
    while trace is not None:
        frames.insert(0, trace.tb_frame)
        trace = trace.tb_next
    yield from _parameters(called.removesuffix(".__init__"), frames)
    for frame in frames:
        code = frame.f_code
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if names[:1] == ("self",):
            yield from names


def _parameters(called: str, frames: list[FrameType]) -> list[str]:
    """Of the function or class with this qualified name, which the frame that called it must know."""
    for frame in frames:
        for value in (*frame.f_locals.values(), *frame.f_globals.values()):
            if getattr(value, "__qualname__", None) == called and callable(value):
                return _named(value)
    return []


def _named(made: Callable[..., Any]) -> list[str]:
    try:
        kinds = inspect.signature(made).parameters.values()
    except (TypeError, ValueError):  # of compiled code Python knows no parameters
        return []
    return [one.name for one in kinds if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
