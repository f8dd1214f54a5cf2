"""What all program files share: steps, the batch, layers, whole operators, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.agreement import agree, close
from saliency_viewer.models.programs.aten import operator
from saliency_viewer.models.programs.batch import any_batch
from saliency_viewer.models.programs.block import build_tree
from saliency_viewer.models.programs.finishing import finished
from saliency_viewer.models.programs.fusing import fused
from saliency_viewer.models.programs.recorder import Recorder
from saliency_viewer.models.programs.steps import Program, Scope, Step, Value, Weight, leaves, mapped

ATEN = torch.ops.aten


def program(*calls, weights=None, parameters=()):
    """A straight program: every call is (function, further arguments...) on what the one before gave."""
    given = Value()
    steps, value = [], given
    for function, *arguments in calls:
        steps.append(Step(function, (value, *arguments)))
        value = steps[-1].result
    return Program((given,), steps, value, weights or {}, frozenset(parameters))


def _item(values, number):
    return values[number]


def _by_the_largest(values):
    return values / values.abs().max()


# --- steps ----------------------------------------------------------------------------------------------------------


def test_values_are_let_go_after_their_last_use():
    made = program((torch.neg,), (torch.exp,), (torch.sqrt,))
    first, second, third = (step.result.key for step in made.steps)
    assert made.last_uses() == {0: [made.inputs[0].key], 1: [first], 2: [second]}
    made.output = (made.steps[0].result, made.steps[2].result)
    assert made.last_uses() == {0: [made.inputs[0].key], 2: [second]}
    assert third not in made.last_uses()


def test_nested_arguments_are_walked_and_copied():
    nested = [1, (2, {"a": 3}), slice(4, None, 5)]
    assert list(leaves(nested)) == [1, 2, 3, 4, None, 5]
    copy = mapped(nested, lambda leaf: leaf if leaf is None else leaf * 10)
    assert copy == [10, (20, {"a": 30}), slice(40, None, 50)]
    assert nested[0] == 1


@pytest.mark.parametrize(
    ("function", "name"),
    [(ATEN.relu_.default, "relu"), (torch.relu, "relu"), (functional.conv2d, "conv2d"), (ATEN.mul.Tensor, "mul")],
)
def test_operators_are_known_by_one_name(function, name):
    assert Step(function, ()).name == name


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ([1e3, 0.09], True),
        ([1e3, 0.11], False),
        ([1e3 + 0.15, 0.0], False),
        ([1e3], False),
    ],
)
def test_answers_agree_to_a_ten_thousandth_of_the_largest(found, same):
    assert close(torch.tensor(found), torch.tensor([1e3, 0.0])) == same


def test_answers_without_a_number_agree_where_both_have_none():
    odd = torch.tensor([float("nan"), float("inf"), 1.0])
    assert agree({"a": odd}, (odd.clone(),))
    assert not agree(odd, torch.tensor([0.0, float("inf"), 1.0]))
    assert not agree((odd, odd), odd)


# --- operators ------------------------------------------------------------------------------------------------------


def test_arguments_go_to_their_places_whatever_their_names():
    found = operator("aten", "leaky_relu", "").call([torch.tensor([-1.0])], {"negative_slope": 0.25})
    assert found.args == (torch.tensor([-1.0]), 0.25)
    assert found.kwargs == {}
    flattened = operator("aten", "flatten", "using_ints").call([torch.zeros(2, 3, 4)], {"end_dim": -1})
    assert flattened.args[1:] == (0, -1)


@pytest.mark.parametrize("name", ["from_file", "set_", "resize_", "as_strided_", "_foo", "cudnn_convolution", "nobody"])
def test_other_operators_are_refused_by_name(name):
    with pytest.raises(UserError, match=f"aten::{name}"):
        operator("aten", name, "")


def test_quantised_networks_are_refused_with_the_reason():
    for namespace, name in (("quantized", "conv2d"), ("aten", "quantize_per_tensor"), ("aten", "dequantize")):
        with pytest.raises(UserError, match="8 bits") as caught:
            operator(namespace, name, "")
        assert "before quantising" in caught.value.hint


# --- the batch ------------------------------------------------------------------------------------------------------


def test_reshapes_with_the_batch_in_them_are_opened():
    made = program((ATEN.view.default, [2, 12]), (ATEN.view.default, [2, 3, 4]), (ATEN.sum.dim_IntList, [2]))
    freed, only, shapes = any_batch(made, (2, 3, 2, 2))
    assert only == 0
    images = torch.randn(5, 3, 2, 2)
    torch.testing.assert_close(freed.run(images), images.sum((2, 3)))
    assert [shapes[step.result.key] for step in made.steps] == [(2, 12), (2, 3, 4), (2, 3)]


@pytest.mark.parametrize("batch", [1, 2])
def test_the_batch_is_found_where_it_is_joined_with_another_axis(batch):
    """Attention heads and windows are put into the batch axis and taken out again."""
    made = program(
        (ATEN.view.default, [batch, 6, 2, 4]),
        (ATEN.permute.default, [0, 2, 1, 3]),
        (torch.reshape, [batch * 2, 6, 4]),
        (torch.softmax, -1),
        (torch.reshape, [batch, 2, 24]),
        (torch.sum, 2),
    )
    freed, only, _ = any_batch(made, (batch, 6, 8))
    images = torch.randn(3, 6, 8)
    assert only == 0
    expected = images.view(3, 6, 2, 4).permute(0, 2, 1, 3).reshape(6, 6, 4).softmax(-1).reshape(3, 2, 24).sum(2)
    torch.testing.assert_close(freed.run(images), expected)


def test_a_class_token_is_joined_to_every_image():
    given = Value()
    joined = Step(ATEN.cat.default, ([Weight("token"), given], 1))
    made = Program((given,), [joined], joined.result, {"token": torch.ones(1, 1, 4)}, frozenset())
    freed, only, _ = any_batch(made, (1, 3, 4))
    assert only == 0
    images = torch.randn(5, 3, 4)
    torch.testing.assert_close(freed.run(images), torch.cat([torch.ones(5, 1, 4), images], 1))


def test_a_program_that_treats_rows_differently_keeps_its_batch():
    made = program((torch.flatten, 1), (torch.add, Weight("rows")), weights={"rows": torch.tensor([[1.0], [2.0]])})
    freed, only, _ = any_batch(made, (2, 3))
    assert only == 2
    network = build_tree(freed, only)
    images = torch.randn(3, 3)
    torch.testing.assert_close(network(images), images + torch.tensor([[1.0], [2.0], [1.0]]))


def test_an_answer_that_mixes_images_is_refused():
    """Softmax over the batch says of an image what the images that stand beside it by chance make of it."""
    with pytest.raises(UserError, match="depends on the others"):
        any_batch(program((torch.softmax, 0)), (2, 3))


@pytest.mark.parametrize(
    "mixing",
    [
        [(ATEN.cumsum.default, 0)],
        [(ATEN.sort.default, 0), (_item, 0)],
        [(ATEN.flip.default, [0])],
        [(ATEN.softmax.int, 0)],
        [(_by_the_largest,)],
        [(ATEN.select.int, 0, 0), (ATEN.unsqueeze.default, 0)],
    ],
)
def test_images_are_never_mixed(mixing):
    """Made for one image each of these is harmless; of several, only one at a time."""
    freed, only, _ = any_batch(program(*mixing), (1, 3))
    network, images = build_tree(freed, only), torch.randn(5, 3)
    torch.testing.assert_close(network(images), torch.cat([network(image[None]) for image in images]))


# --- layers ---------------------------------------------------------------------------------------------------------


def test_modules_stand_at_their_paths_and_the_last_call_has_the_plain_name():
    given = Value()
    calls = [("a", "1"), ("a", "2"), ("b", "3")]
    steps, value = [], given
    for path, call in calls:
        steps.append(Step(ATEN.relu.default, (value,), scopes=(Scope("body", "Body", "0"), Scope(path, "ReLU", call))))
        value = steps[-1].result
    tree = build_tree(Program((given,), steps, value, {}, frozenset()))
    assert [path for path, _ in tree.named_modules()] == ["", "body", "body.a@1", "body.a", "body.b"]
    assert isinstance(tree.body.b, nn.ReLU)
    assert torch.equal(tree(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))


def test_a_module_gives_all_that_is_used_later():
    given = Value()
    inside = (Scope("both", "Both", "0"),)
    one, two = Step(torch.neg, (given,), scopes=inside), Step(torch.exp, (given,), scopes=inside)
    end = Step(torch.add, (one.result, two.result))
    tree = build_tree(Program((given,), [one, two, end], end.result, {}, frozenset()))
    assert isinstance(tree.both(torch.zeros(1)), tuple)
    torch.testing.assert_close(tree(torch.ones(1)), torch.ones(1).exp() - 1)


@pytest.mark.parametrize("name", ["a b", "0", "forward", "training", "..", "ä"])
def test_odd_names_of_modules_are_no_hindrance(name):
    given = Value()
    step = Step(torch.neg, (given,), scopes=(Scope(name),))
    tree = build_tree(Program((given,), [step], step.result, {}, frozenset()))
    assert torch.equal(tree(torch.ones(2)), -torch.ones(2))


def test_layers_that_share_a_weight_still_do():
    given, weight = Value(), nn.Linear(3, 3)
    scoped = [(Scope("one", "Linear", "0"),), (Scope("two", "Linear", "1"),)]
    one = Step(functional.linear, (given, Weight("w"), Weight("b")), scopes=scoped[0])
    two = Step(functional.linear, (one.result, Weight("w"), Weight("b")), scopes=scoped[1])
    weights = {"w": weight.weight.detach(), "b": weight.bias.detach()}
    tree = build_tree(Program((given,), [one, two], two.result, weights, frozenset(weights)))
    assert isinstance(tree.one, nn.Linear)
    assert tree.one.weight is tree.two.weight
    torch.testing.assert_close(tree(torch.ones(1, 3)), weight(weight(torch.ones(1, 3))))


# --- whole operators ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calls", "whole"),
    [
        (lambda r, x: r.emit(torch.mul, x, r.emit(torch.sigmoid, x)), functional.silu),
        (lambda r, x: r.emit(torch.mul, r.emit(functional.hardsigmoid, x), x), functional.hardswish),
        (
            lambda r, x: r.emit(
                torch.mul,
                r.emit(torch.mul, x, 0.5),
                r.emit(torch.add, r.emit(torch.erf, r.emit(torch.div, x, 2**0.5)), 1.0),
            ),
            functional.gelu,
        ),
    ],
)
def test_activations_in_pieces_are_put_together(calls, whole):
    recorder = Recorder((2, 3))
    made = recorder.recorded(calls(recorder, recorder.input))
    found = fused(made)
    assert [step.function for step in found.steps] == [whole]
    images = torch.randn(2, 3)
    torch.testing.assert_close(found.run(images), made.run(images))


def test_what_only_resembles_an_activation_stays():
    recorder = Recorder((2, 3))
    other = recorder.emit(torch.neg, recorder.input)
    made = recorder.recorded(recorder.emit(torch.mul, recorder.input, recorder.emit(torch.sigmoid, other)))
    assert [step.name for step in fused(made).steps] == ["neg", "sigmoid", "mul"]


def test_steps_that_nothing_needs_fall_away_unless_they_write():
    given = Value()
    unused, written = Step(torch.exp, (given,)), Step(ATEN.relu_.default, (given,))
    end = Step(torch.neg, (given,))
    made = Program((given,), [unused, written, end], end.result, {}, frozenset())
    assert fused(made).steps == [written, end]
    assert torch.equal(fused(made).run(torch.tensor([-1.0, 1.0])), torch.tensor([0.0, -1.0]))


# --- finishing ------------------------------------------------------------------------------------------------------


def test_weights_that_are_no_numbers_are_refused():
    made = program((torch.add, Weight("w")), (torch.flatten, 1), weights={"w": torch.full((3,), torch.nan)})
    with pytest.raises(UserError, match="not numbers"):
        finished(made, (1, 3))


def test_a_program_that_cannot_run_says_on_what():
    made = program((functional.linear, Weight("w")), weights={"w": torch.ones(2, 5)})
    with pytest.raises(UserError, match="input of 1 x 3 ") as caught:
        finished(made, (1, 3))
    assert "input.size" in caught.value.hint


@pytest.mark.parametrize(
    "call",
    [
        (functional.dropout, 0.5, True),
        (torch.bernoulli,),
        (ATEN.rand_like.default,),
        (ATEN.native_dropout.default, 0.5, True),
    ],
)
def test_operators_that_train_are_refused(call):
    with pytest.raises(UserError, match="training mode"):
        finished(program(call, (torch.flatten, 1)), (1, 3))


def test_dropout_that_drops_nothing_is_none():
    found = finished(program((torch.dropout, 0.0, True), (torch.neg,)), (1, 3))
    assert torch.equal(found(torch.ones(2, 3)), -torch.ones(2, 3))


@pytest.mark.parametrize("weights", [torch.float32, torch.float64])
def test_a_program_that_needs_double_precision_is_refused(weights):
    """1e9 and back takes all digits of single precision, and few of double."""
    far = {"w": torch.full((3,), 1e9, dtype=weights)}
    steps = [(ATEN.to.dtype, torch.float64)] if weights == torch.float32 else []
    made = program(*steps, (torch.add, Weight("w")), (torch.sub, Weight("w")), weights=far)
    with pytest.raises(UserError, match="double precision"):
        finished(made, (1, 3))
    near = program(*steps, (torch.add, Weight("w")), weights={"w": torch.ones(3, dtype=weights)})
    torch.testing.assert_close(finished(near, (1, 3))(torch.ones(2, 3)), torch.full((2, 3), 2.0))


def test_everything_is_computed_in_float32():
    made = program((ATEN.to.dtype, torch.float16), (torch.mul, Weight("w")), weights={"w": torch.ones(3).double() / 3})
    found = finished(made, (1, 3))(torch.ones(2, 3))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full((2, 3), 1 / 3))
