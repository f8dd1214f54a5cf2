"""What is said of program files that cannot be read, and what torch raises for them."""

from __future__ import annotations

from saliency_viewer.errors import UserError

# What torch and arithmetic raise for numbers that do not go together.
MISTAKES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)


def damaged(what: str, error: Exception) -> UserError:
    """``what`` is the kind of file that it should be."""
    detail = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return UserError(f"The weights file is damaged, or is not {what}.", "Copy or download it again.", detail)


def cannot_run(shape: tuple[int, ...], error: Exception) -> UserError:
    """``shape`` is that of the input that it was given, (N, ...)."""
    wanted = " x ".join(map(str, shape))
    return UserError(
        f"The program in the weights file cannot run on an input of {wanted} (sample, channels, size).",
        "Check input.channels, input.size and input.order in model.toml, or export the network again.",
        f"{type(error).__name__}: {error}",
    )
