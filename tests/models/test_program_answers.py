"""Programs that would answer otherwise each time, for every batch, or with more than memory holds."""

from __future__ import annotations

import pytest
import torch
import torch_programs as files
from torch import nn
from torch.nn import functional

from saliency_viewer.domain import InputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.models.forward import count_outputs, make_ready
from saliency_viewer.models.programs.finishing import finished
from saliency_viewer.models.programs.fusing import fused
from saliency_viewer.models.programs.steps import Program, Scope, Step, Value, Weight
from saliency_viewer.models.programs.torchscript.scripted import Scripted

SHAPE = (1, 1, 8, 8)
KINDS = ("exported", "torchscript")


class Odd(nn.Module):
    """A network whose end is a function of its pooled maps, (N, 2)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2, 3)
        self.register_buffer("seen", torch.ones(2))

    def forward(self, x):
        return self.last(self.head(self.end(self.conv(self.start(x)).mean((2, 3)))))

    def start(self, x):
        return x

    def end(self, y):
        return y

    def last(self, y):
        return y


class Uniform(Odd):
    def end(self, y):
        return y + torch.zeros_like(y).uniform_()


class Integers(Odd):
    def end(self, y):
        return y + torch.randint(0, 1000, (2,)).float()


class Poisson(Odd):
    def end(self, y):
        return torch.poisson(y.abs() * 50)


class Attention(Odd):
    def end(self, y):
        y = y[:, :, None]
        return functional.scaled_dot_product_attention(y, y, y, dropout_p=0.5)[:, :, 0]


class Counting(Odd):
    def end(self, y):
        self.seen.add_(1.0)
        return y * self.seen


class Remembering(Odd):
    def end(self, y):
        self.seen.copy_(y[0].detach())
        return y * self.seen


class Unwritten(Odd):
    def end(self, y):
        return y + y.new_empty(200_000, 2).sum(0) + torch.empty(200_000, 2).sum(0) + torch.empty_like(y)


class Expanded(Odd):
    def end(self, y):
        return y[:, :, None].expand(y.shape[0], 2, 100_000_000_000).mean(2)


class Zeros(Odd):
    def end(self, y):
        return y + torch.zeros(200_000, 200_000).sum()


class Padded(Odd):
    def end(self, y):
        return functional.pad(y, [0, 10_000_000_000])[:, :2]


class ByNothing(Odd):
    def end(self, y):
        return torch.where(y > 1e9, y / 0, y)


class Resized(Odd):
    def start(self, x):
        return functional.interpolate(x, scale_factor=2.0, mode="bilinear")


class Squeezed(Odd):
    def last(self, y):
        return y.squeeze()


class NoRows(Odd):
    def last(self, y):
        return y[:0]


class NoNumbers(Odd):
    def last(self, y):
        return y[:, :0]


class One(Odd):
    def last(self, y):
        return y.mean()


class Written(Odd):
    """Writes into what it makes anew each time."""

    def end(self, y):
        z = torch.zeros(1, 2)
        z.copy_(y[:1])
        return z + y


def opened(network, kind):
    network = network.eval()
    content = files.exported(network, SHAPE) if kind == "exported" else files.scripted(network, SHAPE, "script")
    return files.opened(kind, content, SHAPE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", [Uniform, Integers, Poisson, Attention, Counting, Remembering])
def test_networks_that_never_answer_the_same_are_refused(network, kind):
    with pytest.raises(UserError, match=r"another answer each time|changes its own weights") as caught:
        opened(network(), kind)
    assert "eval" in caught.value.hint


def test_a_scripted_program_that_cannot_be_read_must_answer_the_same_twice():
    class Both(files.OnPixels):
        def forward(self, x):
            self.factor.add_(1.0)
            y = self.conv(x)
            y = torch.relu(y) if float(x.mean()) > 0 else torch.sigmoid(y)
            return self.head(y.mean((2, 3)) * self.factor)

    with pytest.raises(UserError, match="changes its own weights"):
        opened(Both(), "torchscript")


def test_memory_that_nobody_wrote_is_zero():
    images = torch.randn(2, 1, 8, 8)
    content = Unwritten().eval()
    junk = [torch.full((200_000, 2), 1e6) for _ in range(8)]  # what freed memory is likely to hold
    del junk
    torch.testing.assert_close(opened(content, "exported")(images), Odd().eval()(images))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", [Expanded, Zeros, Padded])
def test_steps_that_memory_does_not_hold_are_never_run(network, kind):
    with pytest.raises(UserError, match=r"A step of the network needs .* GiB"):
        opened(network(), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", [ByNothing, Resized, Written])
def test_unusual_operators_answer_as_torch_does(network, kind):
    images = torch.randn(4, 1, 8, 8)
    found = make_ready(opened(network(), kind), InputSpec("2d", 1, (8, 8)), "cpu")(images)
    original = network().eval()
    torch.testing.assert_close(found, torch.cat([original(image[None]) for image in images]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", [Squeezed, NoRows, NoNumbers, One])
def test_answers_without_a_row_for_each_image_are_refused(network, kind):
    spec = InputSpec("2d", 1, (8, 8))
    with pytest.raises(UserError):
        count_outputs(make_ready(opened(network(), kind), spec, "cpu"), spec, "cpu")


def chain(count, function, *arguments, scopes=lambda _number: ()):
    given = value = Value()
    steps = []
    for number in range(count):
        steps.append(Step(function, (value, *arguments), scopes=scopes(number)))
        value = steps[-1].result
    return Program((given,), steps, value, {}, frozenset())


@pytest.mark.parametrize("scopes", [tuple(Scope(f"m{k}") for k in range(400)), (Scope(".".join(["m"] * 400)),)])
def test_modules_hundreds_deep_are_a_user_error(scopes):
    """Torch walks through them by calling itself, and would fail later, in the middle of an analysis."""
    with pytest.raises(UserError, match="400 deep"):
        finished(chain(2, torch.neg, scopes=lambda _number: scopes), (1, 3))


def normalisation(keep, factors):
    """A layer normalisation in pieces, whose means keep the last axis or not."""
    given = Value()
    mean = Step(torch.mean, (given, -1), {"keepdim": keep})
    centred = Step(torch.sub, (given, mean.result))
    square = Step(torch.mul, (centred.result, centred.result))
    variance = Step(torch.mean, (square.result, -1), {"keepdim": keep})
    shifted = Step(torch.add, (variance.result, 0.1))
    root = Step(torch.sqrt, (shifted.result,))
    quotient = Step(torch.div, (centred.result, root.result))
    scaled = Step(torch.mul, (quotient.result, Weight("w")))
    steps = [mean, centred, square, variance, shifted, root, quotient, scaled]
    return Program((given,), steps, scaled.result, {"w": torch.tensor(factors)}, frozenset())


def test_a_normalisation_in_pieces_is_put_together():
    made, image = normalisation(True, [1.0, 2.0, 3.0]), torch.randn(1, 3, 3)
    assert [step.name for step in fused(made).steps] == ["layer_norm"]
    torch.testing.assert_close(fused(made).run(image), made.run(image))


def test_a_normalisation_with_one_factor_for_all_stays_in_pieces():
    made, image = normalisation(True, [2.0]), torch.randn(1, 3, 3)
    torch.testing.assert_close(finished(made, (1, 3, 3))(image), made.run(image))


def test_pieces_that_only_look_like_a_normalisation_stay_pieces():
    """The mean without its axis is taken from other rows, as torch spreads it; layer_norm would not do that."""
    made = normalisation(False, [1.0, 2.0, 3.0])
    image = torch.randn(1, 3, 3)
    assert not torch.allclose(fused(made).run(image), made.run(image))
    torch.testing.assert_close(finished(made, (1, 3, 3))(image), made.run(image))


@pytest.mark.parametrize("how", ["trace", "script", "static", "decomposed"])
def test_a_network_in_double_precision_answers_as_in_single(how):
    network, images = files.randomised(files.Usual()), torch.randn(3, 1, 12, 12)
    expected = network(images)
    kind, write = ("torchscript", files.scripted) if how in ("trace", "script") else ("exported", files.exported)
    found = files.opened(kind, write(network.double(), (1, 1, 12, 12), how), (1, 1, 12, 12))
    torch.testing.assert_close(found(images), expected, rtol=1e-4, atol=1e-5)


class Far(Odd):
    """1e9 and back takes all digits of single precision, and few of double."""

    def end(self, y):
        return ((y.double() + 1e9) - 1e9).float()


def test_what_needs_double_precision_runs_as_a_whole_or_not_at_all():
    network, images = Far().eval(), torch.randn(SHAPE)
    found = files.opened("torchscript", files.scripted(network, SHAPE, "trace"), SHAPE)
    assert isinstance(found, Scripted)
    torch.testing.assert_close(found(images), network(images))
    with pytest.raises(UserError, match="double precision"):
        files.opened("exported", files.exported(network, SHAPE), SHAPE)
