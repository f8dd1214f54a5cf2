import pytest

from saliency_viewer.models import load_package
from saliency_viewer.runtime.resources import resource_path
from saliency_viewer.training.demo.data import unseen_phantoms
from saliency_viewer.training.demo.judge import judge, signed_maps
from saliency_viewer.training.demo.recipes import RECIPES

# (name, phantoms, least right): the full figures are printed by the training script.
CASES = [("chest", 12, 11), ("brain", 8, 7)]


@pytest.mark.parametrize(("name", "count", "least"), CASES)
def test_a_shipped_package_is_right_on_phantoms_it_has_never_seen(name, count, least):
    classifier = load_package(resource_path("models", name))
    verdict = judge(classifier, unseen_phantoms(RECIPES[name], 500_000, count), signed_maps)
    assert verdict.cases == count
    assert verdict.correct >= least
    assert verdict.explained > 0
    for method in ("grad-cam", "integrated-gradients"):
        assert verdict.right_side[method] >= verdict.explained - 1


@pytest.mark.parametrize("name", ["chest", "brain"])
def test_a_shipped_package_is_small(name):
    assert sum(path.stat().st_size for path in resource_path("models", name).iterdir()) < 1_000_000


@pytest.mark.parametrize("name", ["chest", "brain"])
def test_a_shipped_package_has_the_card_of_its_recipe(name):
    assert load_package(resource_path("models", name)).card == RECIPES[name].card
