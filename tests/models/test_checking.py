"""Everything that is wrong with a package is said at once, with what to do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saliency_viewer.models import load_package, write_package
from saliency_viewer.models.builtin import SmallCNN
from saliency_viewer.models.checking import check_files
from saliency_viewer.models.checking.card_faults import card_faults
from saliency_viewer.models.files import MemoryFiles, open_files

SMALL = 'name = "t"\narchitecture = "builtin:small-cnn-2d"\narguments = { width = 4, downsamplings = 1 }'
MINMAX = 'size = [16, 16]\nintensity = [{ step = "minmax" }]'


def small(outputs=2):
    torch.manual_seed(0)
    return SmallCNN(2, width=4, downsamplings=1, num_classes=outputs).state_dict()


@pytest.fixture
def package(make, tmp_path):
    def written(state=None, **tables):
        tables.setdefault("model", SMALL)
        tables.setdefault("inputs", MINMAX)
        write_package(tmp_path / "p", make.card_text(**tables), small() if state is None else state)
        return open_files(tmp_path / "p")

    return written


def image(make, values=None):
    return make.volume(np.random.default_rng(0).random((1, 20, 20), dtype=np.float32) if values is None else values)


def faults(report):
    return [finding.message for finding in report.findings if finding.level == "fault"]


def test_a_good_package_has_facts_and_no_faults(make, package):
    report = check_files(package(), volume=image(make))
    assert report.good
    assert any("Output: 2" in fact for fact in report.facts)
    assert [finding.level for finding in report.findings] == ["note"]
    assert "values from 0.1" in report.findings[0].message


CARD = """
[model]
name = 3
architecure = "builtin:small-cnn-2d"
[output]
classes = ["a", "a"]
activation = "sofmax"
[input]
layout = "4d"
channels = 2
intensity = [{ step = "window", center = 3 }, { step = "nomalize" }, { step = "clip", low = 3, high = "x" }]
[explain]
target = "z"
[foo]
x = 1
"""


def test_every_fault_of_a_card_is_found_and_nothing_that_only_follows_from_one():
    card, found = card_faults(CARD)
    assert card is None
    messages = [error.message.removeprefix("model.toml: ") for error in found]
    expected = [
        "there is no table [foo]",
        "output.classes = ['a', 'a']",
        "output.activation = 'sofmax'",
        "input.layout = '4d'",
        "input.channels = 2",
        "input.size is missing",
        "input.intensity step 1.width is missing",
        "there is no intensity step 'nomalize'",
        "input.intensity step 3.high = 'x'",
        "model.name = 3",
        "model.architecture is missing",
        "there is no key 'architecure' in model",
    ]
    assert sorted(start for start in expected for message in messages if message.startswith(start)) == sorted(expected)
    assert len(messages) == len(expected)
    assert all(error.hint for error in found)


def test_text_that_is_no_toml_is_one_fault_with_its_line():
    card, found = card_faults("[model\nname = 1")
    assert card is None
    assert ["not valid TOML" in error.message for error in found] == [True]


def test_a_card_with_a_misspelt_key_is_checked_further(make, package):
    text = make.card_text(model=SMALL, inputs=MINMAX + "\nspacng = [1, 1]", explain='layer = "haed"')
    report = check_files(MemoryFiles({"model.toml": text.encode()}, package()))
    assert ["no key 'spacng'" in faults(report)[0], "no layer 'haed'" in faults(report)[1]] == [True, True]
    assert "'head'" in report.findings[1].hint


def test_changed_weights_are_said_beside_what_is_wrong_with_them(make, package):
    files = package(state=small(3))
    changed = MemoryFiles({"SHA256SUMS": b"00" * 32 + b"  weights.safetensors\n"}, files)
    messages = faults(check_files(changed))
    assert "sha256 differs" in messages[0]
    assert "for 3 classes, but the network is made for 2" in messages[1]


@pytest.mark.parametrize(
    ("without", "message"), [("weights.safetensors", "no file 'weights"), ("model.toml", "no file 'model.toml'")]
)
def test_missing_files_are_named(package, without, message):
    report = check_files(MemoryFiles({without: None}, package()))
    assert message in faults(report)[0]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"model": 'name = "t"\narchitecture = "nothing:x"'}, "no supported kind"),
        ({"model": 'name = "t"\narchitecture = "python:net.py:Net"'}, "no file 'net.py'"),
        ({"model": SMALL + '\ntask = "segmentation"'}, "segmentation"),
        ({"model": SMALL.replace("width", "widht")}, "has no argument 'widht'"),
        ({"output": 'classes = ["a", "b", "c"]'}, "lists 3 classes but the network has 2 outputs"),
        ({"inputs": "channels = 3\nsize = [16, 16]"}, "cannot take the input"),
    ],
)
def test_what_does_not_fit_together_is_a_fault(package, tables, message):
    report = check_files(package(**tables))
    assert not report.good
    assert any(message in fault for fault in faults(report))


@pytest.mark.parametrize(
    ("inputs", "planar"),
    [
        ("channels = 2\nsize = [16, 16]", True),
        ("channels = 5\nsize = [16, 16]", True),
        ('layout = "2.5d"\nchannels = 4\nsize = [16, 16]', True),
        ('layout = "3d"\nchannels = 4\nsize = [8, 16, 16]', False),
    ],
)
def test_channels_that_no_image_has_come_with_the_way_out(make, inputs, planar):
    card, (fault,) = card_faults(make.card_text(model=SMALL, inputs=inputs))
    assert card is None
    assert "no image has so many" in fault.message
    assert "Channels are 1 (grey) or 3 (colour)" in fault.hint
    assert ('layout = "2.5d" an odd number' in fault.hint) is planar
    assert 'architecture = "python:FILE.py:CLASS"' in fault.hint


@pytest.mark.parametrize(("channels", "advice"), [(3, "Write channels = 3"), (2, "makes the 2 channels out of one")])
def test_a_network_of_other_channels_than_the_cards_is_told_by_its_first_layer(package, channels, advice):
    torch.manual_seed(0)
    state = SmallCNN(2, channels, 2, width=4, downsamplings=1).state_dict()
    report = check_files(package(state, model=SMALL.replace("width", f"in_channels = {channels}, width")))
    (fault,) = [finding for finding in report.findings if finding.level == "fault"]
    assert f"its first convolution wants {channels} channels" in fault.message
    assert advice in fault.hint


def test_the_way_out_for_two_channels_works_with_the_weights_as_they_are(make, tmp_path):
    code = """
import torch
from saliency_viewer.models.builtin import SmallCNN

class Twice(SmallCNN):
    def __init__(self):
        super().__init__(2, 2, 2, width=4, downsamplings=1)

    def forward(self, x):
        return super().forward(torch.cat([x, x], dim=1))
"""
    torch.manual_seed(0)
    network = SmallCNN(2, 2, 2, width=4, downsamplings=1).eval()
    text = make.card_text(model='name = "t"\narchitecture = "python:net.py:Twice"', inputs=MINMAX)
    write_package(tmp_path / "p", text, network.state_dict())
    (tmp_path / "p" / "net.py").write_text(code)
    loaded = load_package(tmp_path / "p", trust_code=True)
    inputs = loaded.prepare(image(make)).inputs
    with torch.no_grad():
        torch.testing.assert_close(loaded.network(inputs), network(inputs.repeat(1, 2, 1, 1)))


def test_code_is_not_run_without_consent(make, tmp_path, package):
    files = MemoryFiles(
        {"net.py": b"import torch\nraise SystemExit"}, package(model='name = "t"\narchitecture = "python:net.py:Net"')
    )
    assert "was not run" in faults(check_files(files))[0]


def test_weights_that_are_no_numbers_are_a_fault(package):
    state = small()
    state["head.bias"][0] = float("nan")
    assert "NaN" in faults(check_files(package(state=state)))[0]


# What the answers say


class Scores(torch.nn.Module):
    """``make`` of two scores of the input: its mean and its first value."""

    def __init__(self, make) -> None:
        super().__init__()
        self.make = make

    def forward(self, x):
        flat = x.flatten(1)
        return self.make(torch.stack([flat.mean(1), flat[:, 0]], dim=1))


def behaviour(make, answer, output='classes = ["a", "b"]', inputs=MINMAX):
    from saliency_viewer.models.checking.behaviour import check_behaviour
    from saliency_viewer.models.checking.findings import Findings

    findings = Findings()
    check_behaviour(make.classifier(Scores(answer), output=output, inputs=inputs), findings)
    return [(finding.level, finding.message, finding.hint) for finding in findings.found]


def test_logits_are_what_is_expected(make):
    assert behaviour(make, lambda s: s) == []


def test_a_network_that_never_changes_its_answer_is_dead(make):
    ((level, message, _),) = behaviour(make, lambda s: s * 0 + torch.tensor([3.0, -2.0]))
    assert level == "fault"
    assert "same answer to noise and zeros" in message


def test_a_softmax_under_the_cards_softmax_is_a_fault(make):
    ((level, message, hint),) = behaviour(make, lambda s: s.softmax(1))
    assert (level, hint) == ("fault", 'Write activation = "none".')
    assert "end in a softmax" in message
    assert behaviour(make, lambda s: s.softmax(1), output='classes = ["a", "b"]\nactivation = "none"') == []


def test_probabilities_that_do_not_add_up_are_a_warning(make):
    ((level, message, _),) = behaviour(
        make, lambda s: s.sigmoid(), output='classes = ["a", "b"]\nactivation = "sigmoid"'
    )
    assert level == "warning"
    assert "end in a sigmoid" in message


class Head(torch.nn.Sequential):
    """A normalised network, whose logits stay within 0..1 whatever it is shown, and ``ends`` after it."""

    def __init__(self, *ends) -> None:
        layer = torch.nn.Linear(256, 2)
        torch.nn.init.uniform_(layer.weight, -1e-3, 1e-3)
        torch.nn.init.constant_(layer.bias, 0.5)
        super().__init__(torch.nn.Flatten(), torch.nn.LayerNorm(256), layer, *ends)


def ending(make, *ends):
    from saliency_viewer.models.checking.behaviour import check_behaviour
    from saliency_viewer.models.checking.findings import Findings

    findings, network = Findings(), Head(*ends)
    check_behaviour(make.classifier(network, inputs=MINMAX), findings)
    assert not any(module._forward_hooks for module in list(network)[:3])
    return [finding.message.partition(":")[0] for finding in findings.found]


def test_small_logits_are_not_taken_for_probabilities(make):
    assert ending(make) == []


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_an_ending_behind_small_logits_is_found(make, kind):
    module = torch.nn.Sigmoid() if kind == "sigmoid" else torch.nn.Softmax(1)
    assert ending(make, module) == [f"This network seems to end in a {kind}"]


def test_a_large_answer_to_an_extreme_input_is_proof_enough(make):
    assert behaviour(make, lambda s: 0.5 + s.abs() * 1e-2) == []


def test_no_ending_is_suspected_where_the_loader_took_it_off(make):
    def answers(taken_off):
        from saliency_viewer.models.checking.behaviour import check_behaviour
        from saliency_viewer.models.checking.findings import Findings

        findings, network = Findings(), Scores(lambda s: 0.5 + 0.1 * s.tanh())
        network.ending_taken_off = taken_off
        check_behaviour(make.classifier(network, inputs=MINMAX), findings)
        return len(findings.found)

    assert (answers(False), answers(True)) == (1, 0)


def test_a_card_that_promises_probabilities_is_held_to_it(make):
    ((level, message, hint),) = behaviour(make, lambda s: s, output='classes = ["a", "b"]\nactivation = "none"')
    assert level == "fault"
    assert "it answers with values from" in message
    assert "softmax" in hint


def test_an_answer_that_is_no_number_is_a_fault(make):
    ((level, message, _),) = behaviour(make, lambda s: s / 0 - s / 0)
    assert level == "fault"
    assert "not a number" in message


def test_an_image_that_the_network_stops_at_is_a_fault_and_no_crash(make):
    from saliency_viewer.errors import UserError
    from saliency_viewer.models.checking.behaviour import check_behaviour
    from saliency_viewer.models.checking.findings import Findings

    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 31), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    model, findings = make.classifier(network, inputs='fit = "none"'), Findings()
    small = image(make)
    check_behaviour(model, findings, model.prepare(small))
    (finding,) = findings.found
    assert finding.level == "fault"
    assert "(1 x 1 x 20 x 20: samples, channels, size)" in finding.message
    assert "a size and a fit" in finding.hint
    with pytest.raises(UserError, match="cannot take the image"):
        model.predict(small)


# What the image says


def on_image(make, inputs, values, **more):
    from saliency_viewer.models.checking.findings import Findings
    from saliency_viewer.models.checking.on_image import prepared_image

    findings = Findings()
    classifier = make.classifier(Scores(lambda s: s), inputs=inputs, **more)
    prepared_image(classifier, make.volume(np.asarray(values, dtype=np.float32)), findings)
    return findings.found


RAMP = np.linspace(-1000, 2000, 400).reshape(1, 20, 20)


@pytest.mark.parametrize(
    ("inputs", "values", "level", "words"),
    [
        ("size = [16, 16]", RAMP, "warning", "no intensity steps"),
        (MINMAX, RAMP, "note", "values from 0"),
        ('size = [16, 16]\nintensity = [{ step = "scale", from = [0, 10] }]', RAMP, "warning", "far from what"),
        (
            'size = [16, 16]\nintensity = [{ step = "window", center = 9000, width = 100 }, { step = "scale" }]',
            RAMP,
            "fault",
            "is shown nothing",
        ),
        (
            'size = [16, 16]\nintensity = [{ step = "scale", from = [-1000, 300000] }]',
            RAMP,
            "warning",
            "nearly one grey",
        ),
    ],
)
def test_what_the_steps_make_of_an_image_is_judged(make, inputs, values, level, words):
    (finding,) = on_image(make, inputs, values)
    assert finding.level == level
    assert words in finding.message


def test_an_image_that_does_not_suit_is_a_fault_with_its_reason(make):
    (finding,) = on_image(make, 'size = [16, 16]\nfit = "none"', RAMP)
    assert finding.level == "fault"
    assert "wants images of 16 x 16" in finding.message


def test_an_image_of_another_kind_is_a_warning(make):
    from saliency_viewer.models.checking.findings import Findings
    from saliency_viewer.models.checking.on_image import prepared_image

    findings = Findings()
    classifier = make.classifier(
        Scores(lambda s: s), inputs=MINMAX, model='name = "t"\narchitecture = "x"\nmodality = ["CT"]'
    )
    prepared_image(classifier, make.volume(RAMP.astype(np.float32), modality="MR"), findings)
    assert "made for modality CT" in findings.found[0].message
