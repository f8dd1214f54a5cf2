"""What each ONNX operator is in torch: one file for each family. An operator is a function and a line in a table."""

from saliency_viewer.models.programs.onnx_reading.operators import (
    attention,
    combining,
    elementwise,
    layers,
    pooling,
    reducing,
    resizing,
    shaping,
)
from saliency_viewer.models.programs.onnx_reading.reader import Handler

HANDLERS: dict[str, Handler] = {
    **layers.HANDLERS,
    **pooling.HANDLERS,
    **elementwise.HANDLERS,
    **combining.HANDLERS,
    **reducing.HANDLERS,
    **shaping.HANDLERS,
    **resizing.HANDLERS,
    **attention.HANDLERS,
}
