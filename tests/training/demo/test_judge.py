import numpy as np

from saliency_viewer.phantoms import brain_phantom, chest_phantom
from saliency_viewer.training.demo.judge import side_masses


def test_mass_on_the_lesion_is_mass_on_its_side_for_the_chest():
    phantom = chest_phantom(4, "left", 100)
    mask = phantom.regions.mask("lesion").astype(bool)
    masses = side_masses(np.where(mask, 2.0, -1.0).astype(np.float32), phantom)
    assert masses == {"left": 2.0 * mask.sum(), "right": 0.0}


def test_mass_on_the_hippocampus_is_mass_on_its_side_and_nan_counts_nothing():
    phantom = brain_phantom(4, "right")
    mask = phantom.regions.mask("right hippocampus").astype(bool)
    masses = side_masses(np.where(mask, 1.0, np.nan).astype(np.float32), phantom)
    assert masses == {"left": 0.0, "right": float(mask.sum())}
