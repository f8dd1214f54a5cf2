"""A data set as a training wants it, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from saliency_viewer.domain.training import TrainingCase, TrainingData, TrainingPlan
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.datasets import problems as kinds
from saliency_viewer.training.datasets.checks import check_findings
from saliency_viewer.training.datasets.copies import with_copies_joined, without_repeats
from saliency_viewer.training.datasets.csv_table import CsvTable
from saliency_viewer.training.datasets.drawing import draw
from saliency_viewer.training.datasets.headers import Looked, look
from saliency_viewer.training.datasets.listing import DataSet, Listing
from saliency_viewer.training.datasets.problems import Problems
from saliency_viewer.training.datasets.rsna import Rsna
from saliency_viewer.training.datasets.siim import Siim

DATA_SETS: tuple[DataSet, ...] = (Rsna(), Siim(), CsvTable())
_DROPPED = (kinds.NO_IMAGE_NAME, kinds.NO_LABEL, kinds.UNKNOWN_LABEL, kinds.NO_PATIENT)
_NAMELESS = ("", "OT")  # modalities that say nothing: of pictures, volumes without a header


def load_data(plan: TrainingPlan, context: RunContext | None = None) -> TrainingData:
    """The cases of ``plan``'s data set, every one of them looked at before any is trained on.

    Raises :class:`UserError` with one summary of all that is wrong: counts and the first few rows, no names.
    ``warnings`` of the result say what was made of what is merely odd.
    """
    context = context or RunContext()
    problems = Problems()
    reader = next(one for one in DATA_SETS if one.name == plan.dataset)
    listing = reader.read(plan, problems, context.part(0.0, 0.1))
    total = len(listing.cases) + sum(map(problems.count, _DROPPED))
    if not total:
        problems.require_none(0)
        raise UserError("The data set's table names no image.", "Choose a table with a row for each image.")
    drawn = draw(listing.cases, plan.limit, plan.settings.seed)
    if len(drawn) < len(listing.cases):
        problems.require_none(total)  # rows that were not drawn are not counted among those that were
        total = len(drawn)
    found = look(drawn, problems, context.part(0.1, 0.6))
    _require_some(found, problems, total)
    if not listing.named_patients:
        found = _by_headers(found)
    found, repeated = without_repeats(found, problems)
    found, resized = check_findings(found, problems, context.part(0.6, 0.8))
    found, copied = with_copies_joined(found, listing.published, problems, context.part(0.8, 1.0))
    _check_sides(found, problems)
    # A class may only seem small while some of its images are not there.
    listed = drawn if problems else [one.listed for one in found]
    if not any(map(problems.count, _DROPPED)):
        _check_classes([one.case for one in listed], listing.classes, plan, problems)
    problems.require_none(total)
    return _data(listing, found, (*listing.warnings, *repeated, *resized, *copied, *_shape_words(found)))


def _require_some(found: Sequence[Looked], problems: Problems, total: int) -> None:
    """Nothing but missing images is one mistake, not as many as there are images."""
    if not found and problems.count(kinds.NOT_THERE) == total:
        raise UserError(
            f"None of the {total:,} images is there.",
            "Check that the images lie where the data set's layout or the table's paths say, unpacked.",
        )


def _by_headers(found: Sequence[Looked]) -> list[Looked]:
    """The cases under the patients that the images' headers name, where they name any.

    One and the same for all images is what anonymising leaves behind, no patient.
    """
    names = {one.series.identity.patient_id for one in found} - {""}
    if len(names) < 2:
        return list(found)
    return [_of(one, one.series.identity.patient_id) for one in found]


def _of(one: Looked, patient: str) -> Looked:
    # Marked as a header's, so that it is no other case's stand-in by chance.
    return replace(one, listed=one.listed.with_patient(f"header {patient}")) if patient else one


def _check_sides(found: Sequence[Looked], problems: Problems) -> None:
    sides: dict[str, set[str]] = {}
    for one in found:
        if one.listed.case.side:
            sides.setdefault(one.listed.case.patient, set()).add(one.listed.case.side)
    for one in found:
        if len(sides.get(one.listed.case.patient, ())) > 1:
            problems.add(kinds.TWO_SIDES, one.listed.row)


def _check_classes(
    cases: Sequence[TrainingCase], classes: Sequence[str], plan: TrainingPlan, problems: Problems
) -> None:
    """Say when there is nothing to tell apart, or a class is of too few people to be on every side."""
    owners: dict[int, set[str]] = {}
    for case in cases:
        owners.setdefault(case.label, set()).add(case.patient)
    if len(owners) < 2:
        names = " and ".join(f"'{classes[label]}'" for label in owners)
        problems.say(
            f"All {len(cases):,} images are of one class, {names}, so there is nothing to tell apart.",
            "Add images of another class, or raise the limit on images.",
        )
        return
    # A data set that names its sides may have no test side.
    sides = 2 if any(case.side for case in cases) or not plan.settings.test else 3
    thin = {label: len(names) for label, names in owners.items() if len(names) < sides}
    if len(thin) == len(owners) and len(owners) > sides:
        problems.say(
            f"Each of the {len(owners):,} classes has images of {_patients(max(thin.values()))} at most.",
            "Choose the column that says which class an image is of.",
        )
    elif thin:
        _say_thin(thin, classes, sides, problems)


def _say_thin(thin: dict[int, int], classes: Sequence[str], sides: int, problems: Problems) -> None:
    words = [f"'{classes[label]}' of {_patients(count)}" for label, count in sorted(thin.items())]
    named = ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")
    needs = "training and validation" if sides == 2 else "training, validation and test"
    problems.say(
        f"Too few patients of some classes, since {needs} need one each: {named}.",
        "Add patients of these classes, join them with others, or train without a test side.",
    )


def _patients(count: int) -> str:
    return "one patient" if count == 1 else f"{count} patients"


def _shape_words(found: Sequence[Looked]) -> tuple[str, ...]:
    volumes = sum(one.series.slices > 1 for one in found)
    if volumes in (0, len(found)):
        return ()
    return (f"{volumes:,} of {len(found):,} images are volumes of several slices, the others single pictures.",)


def _data(listing: Listing, found: Sequence[Looked], warnings: tuple[str, ...]) -> TrainingData:
    """Classes of which nothing was drawn are left out."""
    present = sorted({one.listed.case.label for one in found})
    cases = tuple(_relabelled(one.listed.case, present) for one in found)
    modality = {one.series.modality for one in found} - set(_NAMELESS)
    parts = {one.series.body_part.upper() for one in found} - {""}
    return TrainingData(
        tuple(listing.classes[label] for label in present),
        cases,
        listing.finding,
        tuple(sorted(modality | set(listing.modality))),
        tuple(sorted(parts | set(listing.body_part))),
        warnings,
    )


def _relabelled(case: TrainingCase, present: Sequence[int]) -> TrainingCase:
    return replace(case, label=present.index(case.label))
