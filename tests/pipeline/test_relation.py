from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from saliency_viewer.pipeline.comparison import relation

_HASHES = itertools.count()


def _answered(architecture: str, **arguments: Any) -> Any:
    card = SimpleNamespace(architecture=architecture, arguments=arguments)
    return SimpleNamespace(card=card, model_hash=str(next(_HASHES)))


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (_answered("timm:resnet18"), _answered("timm:resnet18"), "repeatability"),
        (_answered("monai:DenseNet", spatial_dims=2), _answered("monai:DenseNet", spatial_dims=3), "reproducibility"),
        (_answered("timm:resnet18"), _answered("timm:vgg16"), "reproducibility"),
        (_answered("onnx"), _answered("onnx"), "unknown"),
        (_answered("torchvision:resnet18"), _answered("exported"), "unknown"),
        (_answered("keras"), _answered("torchscript"), "unknown"),
        (_answered("python:a.py:Net"), _answered("python:b.py:Net"), "unknown"),
    ],
)
def test_what_two_models_have_in_common_is_said_only_where_their_cards_tell(
    first: Any, second: Any, wanted: str
) -> None:
    assert relation(first, second) == wanted
    assert relation(second, first) == wanted


def test_one_network_twice_says_nothing_of_trainings() -> None:
    first, second = _answered("timm:resnet18"), _answered("timm:resnet18")
    second.model_hash = first.model_hash
    assert relation(first, second) == "unknown"


def test_a_model_is_the_same_as_itself() -> None:
    one = _answered("onnx")
    assert relation(one, one) == "same model"
