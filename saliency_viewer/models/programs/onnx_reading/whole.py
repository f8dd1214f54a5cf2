"""An ONNX file with all of its data in itself: packages are easier to copy that way."""

from __future__ import annotations

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.onnx_reading.external import EXTERNAL, ExternalData, Read, tensors_in
from saliency_viewer.models.programs.onnx_reading.file import bytes_of, parsed

_LARGEST = 2**31 - 1  # bytes of a protobuf message


def self_contained(content: bytes, read: Read) -> bytes:
    """The file with the data that it keeps beside itself; ``content`` itself where there is none.

    ``read`` gives the bytes of another file in its folder. Raises :class:`UserError` for damaged files, for data that
    is missing, and for more than one file can hold.
    """
    if b"location" not in content:  # the key under which every tensor names its file
        return content
    model, external = parsed(content), ExternalData("", read)
    outside = [proto for proto in tensors_in(model.graph) if proto.data_location == EXTERNAL]
    if not outside:
        return content
    if len(content) + sum(bytes_of(proto) for proto in outside) > _LARGEST:
        raise UserError(
            "The ONNX network with its data is more than 2 GiB, which one file cannot hold.",
            "Put both files into a folder with a model.toml of your own; that is a package.",
        )
    for proto in outside:
        proto.raw_data = external.of(proto, bytes_of(proto))
        proto.data_location = 0
        del proto.external_data[:]
    return bytes(model.SerializeToString())
