"""Whether two words for a body part or a view mean the same."""

from __future__ import annotations

import re

# Words of PS3.16 Annex L (Body Part Examined) and PS3.3 C.8.7.1.1.1 (View Position), beside what scanners and people
# write.
_BODY_PARTS = (
    {"CHEST", "THORAX", "LUNG", "LUNGS", "CXR"},
    {"HEAD", "BRAIN", "SKULL", "CRANIUM", "SCHAEDEL", "KOPF"},
    {"ABDOMEN", "ABD", "BELLY"},
    {"PELVIS", "BECKEN"},
    {"BREAST", "MAMMA", "MAMMO", "MAMMOGRAPHY"},
    {"HEART", "CARDIAC"},
    {"CSPINE", "CERVICALSPINE", "HWS"},
    {"TSPINE", "THORACICSPINE", "DORSALSPINE", "BWS"},
    {"LSPINE", "LUMBARSPINE", "LWS"},
)
# A frontal view may be either of the two, so it contradicts neither; a lateral one likewise.
_VIEWS = (
    {"PA", "POSTEROANTERIOR", "POSTERIORANTERIOR", "FRONTAL"},
    {"AP", "ANTEROPOSTERIOR", "ANTERIORPOSTERIOR", "FRONTAL"},
    {"LL", "LEFTLATERAL", "LATERAL", "LAT"},
    {"RL", "RIGHTLATERAL", "LATERAL", "LAT"},
    {"CC", "CRANIOCAUDAL"},
    {"MLO", "MEDIOLATERALOBLIQUE"},
)


def same_body_part(one: str, other: str) -> bool:
    """Whether the words can mean the same part ("Thorax" and "CHEST", "CHEST/ABD" and "ABDOMEN")."""
    return _same(one, other, _BODY_PARTS)


def same_view(one: str, other: str) -> bool:
    """Whether the words can mean the same view ("Postero-anterior" and "PA", "AP SUPINE" and "FRONTAL")."""
    return _same(one, other, _VIEWS)


def _same(one: str, other: str, groups: tuple[set[str], ...]) -> bool:
    if _whole(one) == _whole(other):
        return True
    first, second = _words(one), _words(other)
    return any(group & first and group & second for group in groups)


def _whole(text: str) -> str:
    return re.sub(r"[\W_]", "", text).upper()


def _words(text: str) -> set[str]:
    """The text without its spaces and signs, and each of its parts."""
    return {_whole(text), *(part.upper() for part in re.split(r"[\W_]+", text) if part)}
