"""Lets torchvision's Python part start beside a CPU build of torch.

torchvision registers meta kernels for two compiled operators while it is imported. Its registry build links CUDA, so
beside a CPU torch the compiled part does not load, and the import fails for want of the two schemas. Networks and
transforms need neither operator, hence declaring the schemas is enough. Only the frozen CPU program does this.
"""

import importlib.util
import sys
from importlib.abc import MetaPathFinder

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_registrations = []  # a registration lives as long as its library object


class _SchemasFirst(MetaPathFinder):
    """Declares the schemas at the moment torchvision is first imported, so that torch is not loaded earlier."""

    def find_spec(self, name, *_):
        """Find nothing: the import is only the signal."""
        if name == "torchvision":
            sys.meta_path.remove(self)
            _declare()


def _declare():
    import torch

    if torch.version.cuda is None:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _SCHEMAS:
            library.define(schema)
        _registrations.append(library)


if importlib.util.find_spec("torchvision") is not None:
    sys.meta_path.insert(0, _SchemasFirst())
