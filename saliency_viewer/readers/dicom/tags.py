"""The elements of a header that this program asks for; everything else is stepped over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

_META = "MediaStorageSOPClassUID TransferSyntaxUID"
_TEXTS = """
SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate SeriesDate AcquisitionDate ContentDate
AcquisitionDateTime AcquisitionTime ContentTime StudyTime SeriesTime AccessionNumber Modality Manufacturer
ReferringPhysicianName StudyDescription SeriesDescription PhysiciansOfRecord PerformingPhysicianName
NameOfPhysiciansReadingStudy OperatorsName StudyID InstitutionName
PatientName PatientID PatientBirthDate OtherPatientIDs OtherPatientNames PatientBirthName PatientMotherBirthName
BodyPartExamined ViewPosition Laterality ImageLaterality StudyInstanceUID SeriesInstanceUID PatientOrientation
FrameOfReferenceUID ConcatenationUID TriggerTime SequenceName ConvolutionKernel
PhotometricInterpretation PixelSpacingCalibrationType BurnedInAnnotation RescaleType VOILUTFunction
WindowCenterWidthExplanation Units DoseUnits
"""
_NUMBERS = """
SliceThickness SpacingBetweenSlices EchoTime EchoNumbers InversionTime ImagerPixelSpacing NominalScannedPixelSpacing
DiffusionBValue DiffusionGradientOrientation SeriesNumber AcquisitionNumber InstanceNumber ImagePositionPatient
ImageOrientationPatient TemporalPositionIdentifier TemporalPositionIndex FrameTime RecommendedDisplayFrameRate
CineRate SamplesPerPixel PlanarConfiguration NumberOfFrames Rows Columns PixelSpacing BitsAllocated BitsStored HighBit
PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit WindowCenter WindowWidth RescaleIntercept RescaleSlope
GridFrameOffsetVector DoseGridScaling KVP PixelAspectRatio ConcatenationFrameOffsetNumber
RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
SliceVector TimeSlotVector EnergyWindowVector DetectorVector PhaseVector
"""
# A header with one of these is left to pydicom: they decide about pixels or places, and they nest.
_SEQUENCES = """
PerFrameFunctionalGroupsSequence SharedFunctionalGroupsSequence ModalityLUTSequence VOILUTSequence
SequenceOfUltrasoundRegions DetectorInformationSequence DimensionIndexSequence
"""
_PRIVATE = {
    0x0029_1010: "SiemensImageHeader",
    0x0019_100A: "SiemensMosaicCount",
    0x0019_100C: "SiemensBValue",
    0x0043_1039: "GEBValue",
    0x2001_1003: "PhilipsBValue",
}
_COLOUR_TABLES = (*range(0x0028_1201, 0x0028_1205), *range(0x0028_1221, 0x0028_1224), 0x0028_1101, 0x0028_1104)
OVERLAY_GROUPS = tuple(range(0x6000, 0x6020, 2))
OVERLAY_ELEMENTS = (0x0010, 0x0011, 0x0015, 0x0040, 0x0050, 0x0051, 0x0100, 0x0102, 0x3000)
# The private creator that must stand in front of each, else the number means something else.
_CREATORS = {
    "SiemensImageHeader": (0x0029_0010, "SIEMENS CSA HEADER"),
    "SiemensMosaicCount": (0x0019_0010, "SIEMENS MR HEADER"),
    "SiemensBValue": (0x0019_0010, "SIEMENS MR HEADER"),
    "GEBValue": (0x0043_0010, "GEMS_PARM_01"),
    "PhilipsBValue": (0x2001_0010, "PHILIPS IMAGING DD 001"),
}


@dataclass(frozen=True)
class Wanted:
    """What a walk through a header looks for.

    ``names`` maps tags, written as element x 65536 + group so that four little-endian bytes are one number, to
    keywords, and those of sequences that decide about pixels or places to an empty text; ``codes`` maps keywords to
    the value representation of the standard, ``raw_codes`` to the same as bytes.
    """

    names: dict[int, str]
    codes: dict[str, str]
    raw_codes: dict[str, bytes]


def swapped(tag: int) -> int:
    """Group x 65536 + element, or the other way round."""
    return (tag & 0xFFFF) << 16 | tag >> 16


@cache
def wanted() -> Wanted:
    """The table, made when first asked for: pydicom's dictionary takes a while to import."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    names: dict[int, str] = {}
    codes: dict[str, str] = {}
    for keyword in f"{_META} {_TEXTS} {_NUMBERS}".split():
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise KeyError(keyword)
        names[swapped(tag)] = keyword
        codes[keyword] = dictionary_VR(tag)
    for tag, name in _PRIVATE.items():
        names[swapped(tag)] = name
    for creator, _ in _CREATORS.values():
        names[swapped(creator)] = f"Creator{creator:08X}"
        codes[f"Creator{creator:08X}"] = "LO"
    names |= {swapped(tag): "" for tag in map(tag_for_keyword, _SEQUENCES.split()) if tag is not None}
    raw = {name: codes.get(name, "").encode() for name in names.values()}
    return Wanted(names, codes, raw)


@cache
def kept_by_pydicom() -> tuple[int, ...]:
    """The same elements for pydicom's reader, with the sequences, colour tables and overlays that only it reads."""
    table = wanted()
    overlays = (group << 16 | element for group in OVERLAY_GROUPS for element in OVERLAY_ELEMENTS)
    return (*(swapped(tag) for tag in table.names), *_COLOUR_TABLES, *overlays)


def private_value_name(name: str) -> tuple[int, int, str]:
    """(tag, tag of its creator, creator) of one of the private elements."""
    tag = next(tag for tag, known in _PRIVATE.items() if known == name)
    return (tag, *_CREATORS[name])
