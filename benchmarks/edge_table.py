"""Every odd DICOM file of the test images: opened or refused, compared with decoders and geometry that are not ours.

    python benchmarks/edge_table.py [DATA FOLDER] > docs/edge-files.md

The folder is that of the environment variable SALIENCY_VIEWER_TEST_DATA unless given. Needs dcmtk, dcm2niix and
python-gdcm. With ``--tsv`` it prints the bare rows, which a test compares with the page.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edge_oracles import Pixels, corners, header, itk_corners, niix, oracle, planes, tiles
from numpy.typing import NDArray

from saliency_viewer.domain import Series, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study

_COLUMNS = (
    "file",
    "modality",
    "transfer syntax",
    "slices x rows x columns",
    "outcome",
    "values",
    "geometry",
    "warnings",
)
# Lossless twins: every file of a family holds the same numbers as its first.
_TWINS = {
    "cornerstone/CTImage.dcm_LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm": (
        "cornerstone/CTImage.dcm_BigEndian",
        "cornerstone/CTImage.dcm_Deflated",
        "cornerstone/CTImage.dcm_JPEGProcess14",
    ),
    "pydicom/MR_small.dcm": ("pydicom/MR_small_",),
    "pydicom-data/emri_small.dcm": ("pydicom-data/emri_small_",),
    "pydicom/rtdose.dcm": ("pydicom/badVR.dcm",),
}


@dataclass(frozen=True)
class Row:
    """One file's line of the table."""

    file: str
    modality: str
    syntax: str
    size: str
    outcome: str
    values: str = ""
    geometry: str = ""
    warnings: str = ""


def row(path: Path, root: Path) -> Row:
    """What becomes of one file, and how far that is from what others say."""
    name = path.relative_to(root).as_posix()
    try:
        study = open_study(path)
        volumes = [series.load() for series in study.series]
    except UserError as error:
        said = error.message.removeprefix("No image could be opened. ")
        return Row(name, str(header(path).get("Modality", "")), _syntax(path), "", f"refused: {said}")
    series, volume = study.series[0], volumes[0]
    if len(study.series) > 1:
        images = sum(one.slices for one in study.series)
        outcome = f"opened: {len(study.series)} series with {images} images of its folder"
        listed = sum(one.DirectoryRecordType == "IMAGE" for one in header(path).DirectoryRecordSequence)
        return Row(name, "", _syntax(path), "", outcome, f"arithmetic: it lists {listed} images")
    size = " x ".join(map(str, volume.array.shape))
    warnings = " ".join((*series.warnings, *(one for one in volume.warnings if one not in series.warnings)))
    values, geometry = _values(path, name, volume), _geometry(path, volume)
    return Row(name, series.modality, _short(series), size, "opened", values, geometry, warnings)


def _syntax(path: Path) -> str:
    uid = getattr(header(path), "file_meta", {}).get("TransferSyntaxUID")
    return uid.name if uid else ""


def _short(series: Series) -> str:
    return series.transfer_syntax.replace(", Non-Hierarchical", "").replace(" (Process 14 [Selection Value 1])", " SV1")


def _values(path: Path, name: str, volume: Volume) -> str:
    """Oracles with their largest differences."""
    found = oracle(path)
    said = []
    if found is not None:
        said.append(f"{found.by}: {_difference(path, volume, found)}")
    for first, starts in _TWINS.items():
        if name.startswith(starts) and name != first:
            twin = open_study(path.parents[len(Path(name).parts) - 1] / first).series[0].load()
            said.append(f"twin: {_number(np.abs(volume.array.astype(float) - twin.array).max())}")
    return "; ".join(said) or "none"


def _difference(path: Path, volume: Volume, found: Pixels) -> str:
    ours: NDArray[Any] = volume.array if volume.colour is None else volume.colour
    theirs = found.values
    if theirs.shape[1:3] != ours.shape[1:3]:
        theirs = tiles(theirs, ours.shape)
    places = planes(header(path))
    if places is not None and len(places) == len(ours) and len(ours) > 1:
        slices = [round(float(volume.geometry.to_index(one[:3, 3])[0])) for one in places]
        ours = ours[slices]
    return _number(np.abs(ours.astype(float) - theirs.astype(float)).max())


def _geometry(path: Path, volume: Volume) -> str:
    """SimpleITK where it is right, dcm2niix for mosaics, and the standard's equation; millimetres."""
    shape, dataset = volume.geometry.shape, header(path)
    if "MOSAIC" in str(dataset.get("ImageType", "")):
        return f"dcm2niix: {_by_niix(path, volume)} mm"
    places = planes(dataset)
    if places is None or volume.geometry.calibration == "none":
        return _spacing(dataset, volume)
    off = max(
        float(np.abs(matrix @ [r, c, 0, 1] - [*_ours(volume, matrix, r, c), 1]).max())
        for matrix in places
        for _, r, c in corners((1, *shape[1:]))
    )
    said = f"arithmetic: {_number(off)} mm"
    theirs = itk_corners(path, shape)
    if theirs is None:
        return said
    mine = np.array([volume.geometry.to_patient(one) for one in corners(shape)])
    half = len(mine) // 2
    # SimpleITK leaves frames in the file's order where ours go along the normal: the same places, the other way round.
    turned = np.concatenate([mine[half:], mine[:half]]) if shape[0] > 1 else mine
    off = min(float(np.abs(one - theirs).max()) for one in (mine, turned))
    return f"{said}; SimpleITK: {_number(off)} mm"


def _ours(volume: Volume, matrix: NDArray[np.float64], r: int, c: int) -> NDArray[np.float64]:
    slices = round(float(volume.geometry.to_index(matrix[:3, 3])[0]))
    return np.asarray(volume.geometry.to_patient([slices, r, c]))


def _by_niix(path: Path, volume: Volume) -> str:
    found = niix(path)
    if found is None:
        return "absent"
    affine, points = found[1], np.array([volume.geometry.to_patient(one) for one in corners(volume.geometry.shape)])
    index = np.rint((points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T)
    return _number(float(np.abs(index @ affine[:3, :3].T + affine[:3, 3] - points).max()))


def _spacing(dataset: Any, volume: Volume) -> str:
    """Of pictures without a place: the size of a pixel, and where it holds."""
    geometry = volume.geometry
    if geometry.calibration == "none":
        return "no size of pixels in the file"
    regions = dataset.get("SequenceOfUltrasoundRegions")
    said = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or dataset.get("NominalScannedPixelSpacing")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    if said is None and shared:
        said = shared[0].PixelMeasuresSequence[0].PixelSpacing
    if said is None and regions:
        said = [abs(regions[0].PhysicalDeltaY) * 10, abs(regions[0].PhysicalDeltaX) * 10]
    if said is None:
        return "the file gives no size"
    off = float(np.abs(np.array(said, float) - geometry.spacing[1:]).max())
    return f"arithmetic: size of a pixel {_number(off)} mm; no place in the file"


def _number(value: float) -> str:
    """Few digits: rounding of the last ones is not the point."""
    return "0" if abs(value) < 1e-4 else f"{value:.2g}"


def rows(root: Path) -> list[Row]:
    """All files of the folder, in the order of names."""
    return [row(path, root) for path in sorted(root.rglob("*")) if path.is_file()]


def main() -> None:
    """Print the page, or the bare rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default=os.environ.get("SALIENCY_VIEWER_TEST_DATA", ""))
    parser.add_argument("--tsv", action="store_true")
    arguments = parser.parse_args()
    found = rows(Path(arguments.data) / "dicom_edge")
    if arguments.tsv:
        print("\n".join("\t".join(astuple(one)) for one in found))
        return
    print(_page(found))


def _page(found: list[Row]) -> str:
    count = Counter(one.outcome.split(":")[0] for one in found)
    compared = sum(one.outcome == "opened" and one.values != "none" for one in found)
    total = f"**{len(found)} files: {count['opened']} opened, {count['refused']} refused with the reason.** "
    total += f"The values of {compared} were compared with a decoder that is not ours."
    lines = [_HEAD, total, "", f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in astuple(one))} |" for one in found]
    return "\n".join((*lines, "", _NOTES))


_HEAD = """# Odd DICOM files

What becomes of every odd file that we know of, by `python benchmarks/edge_table.py > docs/edge-files.md`; a test holds
this page to the program. The files are those of the folder `dicom_edge` of the test images.

* **Values** names who decoded the file besides us and the largest difference, in modality values or 8-bit colours.
  Stored numbers by dcmtk or by GDCM's own reader become modality values by the standard's arithmetic, written out in
  `benchmarks/edge_oracles.py`. A *twin* is another file that holds the same numbers.
* **Geometry** is the largest distance of the outermost voxels in mm from what the standard's equation (PS3.3
  C.7.6.2.1.1) and SimpleITK, or dcm2niix, say. "0" is less than 0.0001.
"""

_NOTES = """## Where two disagree, and who is right

* **Palettes** (`no-pixel-spacing`, `examples_palette`, `OT-PAL-8-face`): dcmtk cuts the 16-bit entries of colour tables
  to 8 bits, we round them; a difference of 1 of 255 is that.
* **YBR_FULL_422** (`SC_ybr_full_422_uncompressed`): the conversion to RGB is rounded differently.
* **`CTImage...JPEGProcess1`** and the **CR files** of `dicomdir_media`: scales with fractions are float32 here and
  float64 in the comparison.
* **Mosaics** (`dcm_qa_12bit`): dcm2niix gives the places of the tiles, dcmtk their numbers. In `12bitSigned_0x0F0F`
  bits above the stored twelve are dirty; PS3.5 8.1.1 makes bit 11 the sign and says nothing of those above, so values
  are -2048 to 2047. dcm2niix's differ by 4096 where bit 11 is set.
* **`eCT_Supplemental`**: SimpleITK leaves the two frames in the file's order, which is against their normal; each lies
  where we have it.
* **`J2K_pixelrep_mismatch`** and **`MR700`**: their direction cosines have few digits and are not of length 1; we make
  them so, as SimpleITK does.
* **`mlut_18`**: GDCM ignores the modality table, so dcmtk's numbers go through it by arithmetic. **MONOCHROME1**
  (`dx_image`, CR): ITK turns such values round, GDCM's own reader and dcmtk do not; a higher value is brighter here.
* **`parametric_map_float`**: neither GDCM nor dcmtk converts floating pixels; they are compared with the file's own
  bytes.
* **`badVR`**: its number of frames is "1A"; its bytes are those of the fifteen frames of `rtdose`.
* **`emri_small_jpeg_2k_lossless_too_short`** lacks the closing mark of its pixels, which pydicom therefore leaves
  out; all ten pictures are whole, and equal to the twin's.
* **`JPEG2000-embedded-sequence-delimiter`**: the codestream is of another size than the header; GDCM refuses it too.
* **`no_meta`** has a stray byte before its first element; every element after it is shifted.
"""


if __name__ == "__main__":
    main()
