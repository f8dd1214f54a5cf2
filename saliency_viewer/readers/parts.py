"""Which files make up one image: most are one, headers come with a file of voxels."""

from __future__ import annotations

from pathlib import Path

from saliency_viewer.errors import UserError
from saliency_viewer.readers.itk import ItkReader, itk_header
from saliency_viewer.readers.nifti import NiftiReader, nifti_pair


def parts_of(path: Path) -> tuple[Path, ...]:
    """``path`` first, then the other file of a pair (.hdr and .img) or the one that its header names for the voxels.

    At most a header is read. A damaged one has no other part.
    """
    try:
        if NiftiReader().accepts(path):
            found = nifti_pair(path)
        elif ItkReader().accepts(path):
            found = (path, itk_header(path).stored.path)
        else:
            return (path,)
    except UserError:
        return (path,)
    return tuple(dict.fromkeys((path, *found)))
