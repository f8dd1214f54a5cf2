"""A document as plain numbers and texts, and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import (
    AnalysisPlan,
    AttributionMap,
    Grid,
    ImageReference,
    Prediction,
    Provenance,
    Region,
    RegionSet,
    Validity,
)
from saliency_viewer.session.document import Document
from saliency_viewer.spatial import Geometry

Arrays = MutableMapping[str, NDArray[np.generic]]
_LONGEST = 2**31  # voxels along one axis
_MAP_DTYPE = "<f4"
_MAP_NUMBERS = ("logit", "probability", "residual", "standard_error")


class ArrayStore(Protocol):
    """Where the arrays of a record are found again."""

    def array(self, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """The named array; raises KeyError, ValueError or OSError when it is not as said."""


def to_record(document: Document, arrays: Arrays) -> dict[str, Any]:
    """JSON-ready record; arrays are put into ``arrays`` under their member names."""
    image, plan = document.image, document.plan
    return {
        "image": None if image is None else {"path": image.path, "series": image.series, "grid": image.grid},
        "image_hash": document.image_hash,
        "model": document.model,
        "model_hash": document.model_hash,
        "plan": None if plan is None else plan.to_dict(),
        "regions": None if document.regions is None else _regions_record(document.regions, arrays),
        "maps": [_map_record(amap, f"maps/{k:02d}.npy", arrays) for k, amap in enumerate(document.maps)],
        "prediction": None if document.prediction is None else _prediction_record(document.prediction),
        "key_slices": [int(index) for index in document.key_slices],
        "view": dict(document.view),
    }


def from_record(record: Mapping[str, Any], store: ArrayStore) -> Document:
    """The inverse of :func:`to_record`; raises KeyError, TypeError or ValueError on a foreign record."""
    image, plan = record["image"], record["plan"]
    regions, prediction = record["regions"], record["prediction"]
    return Document(
        image=None if image is None else _reference(image),
        image_hash=str(record["image_hash"]),
        model=str(record["model"]),
        model_hash=str(record["model_hash"]),
        plan=None if plan is None else AnalysisPlan.from_dict(plan),
        regions=None if regions is None else _regions(regions, store),
        maps=tuple(_map(item, store) for item in record["maps"]),
        prediction=None if prediction is None else _prediction(prediction),
        key_slices=tuple(int(index) for index in record["key_slices"]),
        view=dict(record["view"]),
    )


def _reference(record: Mapping[str, Any]) -> ImageReference:
    if record["grid"] not in ("", *get_args(Grid)):
        raise ValueError("unknown grid")
    return ImageReference(str(record["path"]), record["series"], record["grid"])


def _geometry_record(geometry: Geometry) -> dict[str, Any]:
    return {
        "shape": list(geometry.shape),
        "affine": geometry.affine.tolist(),
        "calibration": geometry.calibration,
        "oriented": geometry.oriented,
        "through_space": geometry.through_space,
        "located": geometry.located,
        "frame_of_reference": geometry.frame_of_reference,
    }


def _geometry(record: Mapping[str, Any]) -> Geometry:
    z, y, x = (int(n) for n in record["shape"])
    if not (min(z, y, x) > 0 and max(z, y, x) < _LONGEST):
        raise ValueError("a grid of an impossible size")
    if record["calibration"] not in ("patient", "detector", "none"):
        raise ValueError("unknown calibration")
    return Geometry(
        (z, y, x),
        np.array(record["affine"]),
        record["calibration"],
        bool(record["oriented"]),
        bool(record["through_space"]),
        bool(record["located"]),
        str(record["frame_of_reference"]),
    )


def _regions_record(regions: RegionSet, arrays: Arrays) -> dict[str, Any]:
    items = []
    for number, region in enumerate(regions.regions):
        member = f"regions/{number:03d}.npy"
        arrays[member] = np.packbits(region.patch.reshape(-1))
        items.append(
            {
                "name": region.name,
                "colour": region.colour,
                "origin": [int(k) for k in region.origin],
                "shape": list(region.patch.shape),
                "locked": region.locked,
                "visible": region.visible,
                "bits": member,
            }
        )
    return {"geometry": _geometry_record(regions.geometry), "items": items, "warnings": list(regions.warnings)}


def _regions(record: Mapping[str, Any], store: ArrayStore) -> RegionSet:
    geometry = _geometry(record["geometry"])
    warnings = tuple(str(warning) for warning in record["warnings"])
    return RegionSet(geometry, tuple(_region(item, geometry, store) for item in record["items"]), warnings)


def _region(item: Mapping[str, Any], geometry: Geometry, store: ArrayStore) -> Region:
    shape = tuple(int(n) for n in item["shape"])
    z, y, x = (int(k) for k in item["origin"])
    inside = all(
        o >= 0 and n >= 0 and o + n <= full for o, n, full in zip((z, y, x), shape, geometry.shape, strict=True)
    )
    if not inside:
        raise ValueError("a region lies outside the image")
    count = math.prod(shape)  # exact, however large a damaged file says it is
    bits = store.array(str(item["bits"]), (-(-count // 8),), "|u1")
    patch = np.unpackbits(bits, count=count).astype(bool).reshape(shape)
    patch.setflags(write=False)
    return Region(str(item["name"]), str(item["colour"]), (z, y, x), patch, bool(item["locked"]), bool(item["visible"]))


def _map_record(amap: AttributionMap, member: str, arrays: Arrays) -> dict[str, Any]:
    arrays[member] = np.ascontiguousarray(amap.array, dtype=_MAP_DTYPE)
    return {
        "array": member,
        "geometry": _geometry_record(amap.geometry),
        "method": amap.method,
        "target": amap.target,
        "validity": dataclasses.asdict(amap.validity),
        "provenance": _provenance_record(amap.provenance),
        "one_sided": amap.one_sided,
        "target_is_predicted": amap.target_is_predicted,
        "slices": [int(index) for index in amap.slices],
        **{name: _number_record(getattr(amap, name)) for name in _MAP_NUMBERS},
    }


def _map(record: Mapping[str, Any], store: ArrayStore) -> AttributionMap:
    geometry = _geometry(record["geometry"])
    provenance = {**record["provenance"], "notes": tuple(record["provenance"]["notes"])}
    numbers = {name: _number(record[name]) for name in _MAP_NUMBERS}
    return AttributionMap(
        array=store.array(str(record["array"]), geometry.shape, _MAP_DTYPE).astype(np.float32, copy=False),
        geometry=geometry,
        method=str(record["method"]),
        target=str(record["target"]),
        validity=Validity(**record["validity"]),
        provenance=Provenance(**provenance),
        one_sided=bool(record["one_sided"]),
        target_is_predicted=bool(record["target_is_predicted"]),
        slices=tuple(int(index) for index in record["slices"]),
        logit=_or_nan(numbers["logit"]),
        probability=_or_nan(numbers["probability"]),
        residual=numbers["residual"],
        standard_error=numbers["standard_error"],
    )


def _provenance_record(provenance: Provenance) -> dict[str, Any]:
    record = {field.name: getattr(provenance, field.name) for field in dataclasses.fields(provenance)}
    return {
        **record,
        "parameters": dict(provenance.parameters),
        "versions": dict(provenance.versions),
        "notes": list(provenance.notes),
    }


def _number_record(value: float | None) -> str | None:
    """Python's exact text of a number: JSON has no infinity and no NaN."""
    return None if value is None else repr(float(value))


def _number(record: str | None) -> float | None:
    return None if record is None else float(record)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _prediction_record(prediction: Prediction) -> dict[str, Any]:
    slices = prediction.slice_logits
    return {
        "classes": list(prediction.classes),
        "logits": [repr(float(v)) for v in prediction.logits],
        "probabilities": [repr(float(v)) for v in prediction.probabilities],
        "predicted": int(prediction.predicted),
        "aggregate": prediction.aggregate,
        "slice_index": prediction.slice_index,
        "slice_logits": None if slices is None else [[repr(float(v)) for v in row] for row in slices],
        "warnings": list(prediction.warnings),
    }


def _prediction(record: Mapping[str, Any]) -> Prediction:
    slices = record["slice_logits"]
    classes = tuple(str(name) for name in record["classes"])
    prediction = Prediction(
        classes=classes,
        logits=_vector(record["logits"]),
        probabilities=_vector(record["probabilities"]),
        predicted=int(record["predicted"]),
        aggregate=str(record["aggregate"]),
        slice_index=record["slice_index"],
        slice_logits=None if slices is None else np.array([_vector(row) for row in slices]),
        warnings=tuple(record["warnings"]),
    )
    if not 0 <= prediction.predicted < len(classes) == prediction.logits.size == prediction.probabilities.size:
        raise ValueError("a prediction does not fit its classes")
    return prediction


def _vector(record: list[str]) -> NDArray[np.float64]:
    return np.array([float(value) for value in record], dtype=np.float64)
