"""Pictures of the window with every kind of image, for docs/images.md: ``python benchmarks/gallery.py docs/images``.

All images are phantoms made here or by ``demo-data``: a head from a tilted gantry, a colour ultrasound cine, one
radiograph in every photometric interpretation, and a PNG.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy import ndimage

_WIDTH = 1000  # pixels of a stored picture
_TILT = np.tan(np.deg2rad(18))


def _file(array: np.ndarray, modality: str, **attributes: Any) -> Dataset:
    """A data set of grey pixels, or of colours where ``SamplesPerPixel`` says so."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.Modality = generate_uid(), "1.2.3", modality
    dataset.Rows, dataset.Columns = array.shape[-3:-1] if "SamplesPerPixel" in attributes else array.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * array.dtype.itemsize
    dataset.HighBit, dataset.PixelData = dataset.BitsStored - 1, array.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def _tilted(brain: np.ndarray, folder: Path) -> None:
    """Slices of a head, each shifted as a gantry tilted by 18 degrees shifts it."""
    series = generate_uid()
    for k in range(0, len(brain), 3):
        shift = _TILT * (k - len(brain) / 2)
        moved = ndimage.shift(brain[k].astype(np.float32), (-shift, 0), order=1).astype(np.uint16)
        place = {"ImagePositionPatient": [0, round(float(shift), 4), k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        about = {"SeriesInstanceUID": series, "SeriesDescription": "Head", "PixelSpacing": [1, 1], "InstanceNumber": k}
        _file(moved, "MR", **place, **about).save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)


def _ultrasound(path: Path) -> None:
    rows, columns = np.mgrid[:360, :480]
    far, turn = np.hypot(columns - 240, rows + 20), np.arctan2(columns - 240, rows + 20)
    fan = (np.abs(turn) < 0.6) & (far > 40) & (far < 350)
    speckle = ndimage.gaussian_filter(np.random.default_rng(0).random(fan.shape), 2)
    grey = (200 * fan * (speckle - speckle.min()) / np.ptp(speckle)).astype(np.uint8)
    frames = np.repeat(np.stack([grey] * 3, axis=-1)[None], 24, axis=0)
    for number, frame in enumerate(frames):
        jet = fan & (np.hypot(columns - 250, (rows - 200) / 2) < 12 + 5 * np.sin(number / 2))
        frame[jet] = (220, 60, 30)
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    _file(frames, "US", NumberOfFrames=24, **colours).save_as(path, enforce_file_format=True)


def _radiographs(chest: np.ndarray, folder: Path) -> list[Path]:
    """One 12-bit picture as MONOCHROME2, MONOCHROME1, PALETTE COLOR and RGB."""
    small = (chest >> 4).astype(np.uint8)
    bits: dict[str, Any] = {"BitsStored": 12, "HighBit": 11, "ImagerPixelSpacing": [0.2, 0.2], "WindowCenter": 2048}
    bits["WindowWidth"] = 4096
    palette = _file(small, "DX", PhotometricInterpretation="PALETTE COLOR")
    ramp = np.arange(256) * 257
    for colour, table in (("Red", ramp), ("Green", ramp), ("Blue", np.sqrt(ramp * 65535.0))):
        setattr(palette, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(palette, f"{colour}PaletteColorLookupTableData", table.astype("<u2").tobytes())
    marked = np.stack([small] * 3, axis=-1)
    marked[10:20, 10:80] = (255, 200, 0)
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    files = {
        "monochrome2": _file(chest, "DX", **bits),
        "monochrome1": _file(4095 - chest, "DX", PhotometricInterpretation="MONOCHROME1", **bits),
        "palette": palette,
        "rgb": _file(marked, "DX", **rgb),
    }
    for name, dataset in files.items():
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    return [folder / f"{name}.dcm" for name in files]


def _picture(path: Path, folder: Path, *options: str) -> Image.Image:
    """The window with ``path`` open."""
    target = folder / f"{path.stem}{''.join(options)}.png"
    command = [sys.executable, "-m", "saliency_viewer", str(path), *options, "--screenshot", str(target)]
    subprocess.run(command, check=True, env={"QT_QPA_PLATFORM": "offscreen", **os.environ})
    shown = Image.open(target).convert("RGB")
    return shown.resize((_WIDTH, shown.height * _WIDTH // shown.width), Image.Resampling.LANCZOS)


def main(target: Path) -> None:
    """Make all pictures."""
    from saliency_viewer.pipeline import write_demo
    from saliency_viewer.readers import open_study

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_demo(folder / "demo")
        volumes = [open_study(folder / "demo" / kind / "study").choose().load().array for kind in ("brain", "chest")]
        (folder / "tilted").mkdir()
        _tilted(volumes[0].astype(np.uint16), folder / "tilted")
        _ultrasound(folder / "ultrasound.dcm")
        chest = np.clip(volumes[1][0], 0, 4095).astype(np.uint16)
        Image.fromarray((chest >> 4).astype(np.uint8)).save(folder / "chest.png")
        _picture(folder / "tilted", folder).save(target / "tilted.png", optimize=True)
        _picture(folder / "ultrasound.dcm", folder).save(target / "ultrasound.png", optimize=True)
        _picture(folder / "chest.png", folder).save(target / "png.png", optimize=True)
        shown = [_picture(path, folder) for path in _radiographs(chest, folder)]
        width, height = shown[0].size
        sheet = Image.new("RGB", (2 * width, 2 * height))
        for k, one in enumerate(shown):
            sheet.paste(one, (k % 2 * width, k // 2 * height))
        sheet.resize((width, height), Image.Resampling.LANCZOS).save(target / "photometric.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
