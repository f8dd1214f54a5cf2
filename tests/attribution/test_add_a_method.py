"""The worked example of docs/add-a-method.md is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small_networks import SIZES, inputs_for, make

from saliency_viewer.attribution import METHODS, Method, explain
from saliency_viewer.attribution import methods as registry
from saliency_viewer.attribution.needs import Need
from saliency_viewer.domain import parameter_specs
from saliency_viewer.errors import UserError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-method.md"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Method]:
    """The page's code, imported as a file of its own and added to the tuple."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "example_layer_cam.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    import example_layer_cam

    found: Method = example_layer_cam.LayerCAM()
    others = tuple(method for method in registry.METHODS if method.id != found.id)
    monkeypatch.setattr(registry, "METHODS", (*others, found))
    yield found
    del sys.modules["example_layer_cam"]


@pytest.mark.parametrize("axes", SIZES)
def test_the_example_is_computed_by_the_engine(example: Method, axes: int) -> None:
    network, inputs = make("residual", axes), inputs_for(axes)
    options = {"layer-cam": {"power": 2}}
    result = explain(network, inputs, ["layer_cam", "gradient"], 1, layer="dense", parameters=options)["layer-cam"]
    taken = []
    handle = network.get_submodule("dense").register_forward_hook(lambda _m, _i, out: taken.append(out))
    score = network(inputs)[:, 1].sum()
    handle.remove()
    (slope,) = torch.autograd.grad(score, taken[0])
    expected = (slope.clamp(min=0) ** 2 * taken[0]).sum(1)
    assert torch.allclose(result.layer_values, expected, rtol=1e-4, atol=1e-6)
    assert (result.values >= 0).all()
    assert result.layer == "dense"


def test_the_example_s_parameter_is_checked(example: Method) -> None:
    assert [spec.name for spec in parameter_specs(example.Parameters)] == ["power"]
    with pytest.raises(UserError, match="out of range"):
        explain(make("plain", 2), inputs_for(2), "layer-cam", 0, parameters={"layer-cam": {"power": 9}})


def test_the_page_names_every_need_there_is() -> None:
    text = PAGE.read_text()
    assert all(f"`{need.__name__}(" in text for need in Need.__args__)


def test_listing_methods_imports_no_torch() -> None:
    code = "import sys; from saliency_viewer.attribution import METHODS; assert METHODS; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert len({method.id for method in METHODS}) == len(METHODS)
