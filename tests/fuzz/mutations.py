"""Damage that knows what a DICOM file is made of. Every mutation is a function of a random source and a layout."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from elements import PIXELS, UNDEFINED, Element, Layout, item, parsed
from pixel_mutations import codestream, deflated_bomb, fragments, offset_table, wrong_syntax

Mutation = Callable[[random.Random, Layout], None]
_CODES = (
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
# Samples, planar configuration, rows, columns, bits allocated and stored, high bit, pixel representation.
_SHAPES = (0x00280002, 0x00280006, *range(0x00280010, 0x00280012), *range(0x00280100, 0x00280104))
_SMALL = (0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 63, 64, 65, 127)
_EXTREME = (*_SMALL, 255, 4096, 20000, 32767, 65534, 65535)
_DECIMALS = (0x00180050, 0x00180088, 0x00181164, 0x00200032, 0x00200037, 0x00280030, 0x3004000C, 0x3004000E)
_DECIMALS += tuple(range(0x00281050, 0x00281054))
_WORDS = (0x00080005, 0x00080008, 0x00080060, 0x00200010, 0x00200020, 0x00280004, 0x00281056)
_TEXTS = {**dict.fromkeys(_DECIMALS, b"DS"), **dict.fromkeys(_WORDS, b"CS"), 0x00200010: b"SH"}
_TEXTS |= {0x00200011: b"IS", 0x00200013: b"IS", 0x00280008: b"IS"}
_ODD_NUMBERS = (
    b"",
    b" ",
    b"\\",
    b"\\\\\\",
    b"\0\0",
    b"\xff\xfe",
    *b"NaN inf -inf 1e308 -1e308 1e-320 0 -0 -1 1e99999".split(),
)
_ODD_NUMBERS += tuple(b"0x10 1_0 abc 1,5 99999999999999999999999 1A 1e9 3".split())
_ODD_WORDS = tuple(b"MONOCHROME1 YBR_FULL_422 YBR_RCT ARGB RGB GB18030 XYZ L\\F SEG RTDOSE SIGMOID US NM".split())
_ODD_WORDS += (b"ORIGINAL\\PRIMARY\\M\\MOSAIC", b"DERIVED\\PRIMARY\\RECON TOMO", b"PALETTE COLOR", b"LINEAR_EXACT")
_ODD_WORDS += (b"ISO_IR 192", b"\\ISO 2022 IR 87", b"ISO 2022 IR 13\\ISO 2022 IR 149")
_SPECIAL_TAGS = (
    PIXELS,
    0x7FE00008,
    0x7FE00001,
    0xFFFEE000,
    0xFFFEE00D,
    0xFFFEE0DD,
    0x00020010,
    0xFFFCFFFC,
    0,
    0x00280010,
)
_NESTING_TAGS = (0x00081140, 0x52009229, 0x52009230, 0x00283000, 0x00283010, 0x00186011, 0x00091010, 0x00540022)


def _any(rng: random.Random, layout: Layout) -> Element:
    return rng.choice(layout.elements if layout.elements and rng.random() < 0.9 else (layout.meta or layout.elements))


def change_length(rng: random.Random, layout: Layout) -> None:
    one = _any(rng, layout)
    true = len(one.value)
    wide = rng.randrange(2 ** rng.randrange(1, 33))
    near = (0, 1, max(0, true - 1), true + 1, 2 * true)
    one.length = rng.choice((*near, 0xFFFF, 0x7FFFFFFF, UNDEFINED - 1, UNDEFINED, wide))


def change_code(rng: random.Random, layout: Layout) -> None:
    _any(rng, layout).code = rng.choice(_CODES) if rng.random() < 0.9 else bytes(rng.randrange(256) for _ in range(2))


def change_tag(rng: random.Random, layout: Layout) -> None:
    one = _any(rng, layout)
    flipped = one.tag ^ 1 << rng.randrange(32)
    one.tag = rng.choice((rng.choice(_SPECIAL_TAGS), rng.randrange(2**32), _any(rng, layout).tag, flipped))


def swap_elements(rng: random.Random, layout: Layout) -> None:
    first, second = rng.randrange(len(layout.elements)), rng.randrange(len(layout.elements))
    layout.elements[first], layout.elements[second] = layout.elements[second], layout.elements[first]


def exchange_values(rng: random.Random, layout: Layout) -> None:
    first, second = _any(rng, layout), _any(rng, layout)
    first.value, second.value = second.value, first.value


def delete_element(rng: random.Random, layout: Layout) -> None:
    layout.elements.pop(rng.randrange(len(layout.elements)))


def delete_meta(rng: random.Random, layout: Layout) -> None:
    if layout.meta:
        layout.meta.pop(rng.randrange(len(layout.meta)))


def duplicate_element(rng: random.Random, layout: Layout) -> None:
    layout.elements.insert(rng.randrange(len(layout.elements)), _any(rng, layout))


def odd_shape(rng: random.Random, layout: Layout) -> None:
    for tag in rng.sample(_SHAPES, rng.choice((1, 1, 2, 3))):
        layout.put(tag, b"US", struct.pack("<H", rng.choice(_EXTREME)))


def giant_size(rng: random.Random, layout: Layout) -> None:
    for tag in (0x00280010, 0x00280011):
        layout.put(tag, b"US", struct.pack("<H", rng.choice((5000, 15000, 20000, 40000, 65535))))
    layout.put(0x00280008, b"IS", rng.choice((b"1", b"1000", b"99999", b"2147483647", b"-5", b"1e9")))


def many_frames(rng: random.Random, layout: Layout) -> None:
    count = rng.choice((0, -1, 2, 4, 50, 1000, 100_000, 100_001, 2**31 - 1, 10**30))
    layout.put(0x00280008, b"IS", str(count).encode())


def odd_text(rng: random.Random, layout: Layout) -> None:
    tag = rng.choice(list(_TEXTS))
    if _TEXTS[tag] in (b"CS", b"SH"):
        layout.put(tag, _TEXTS[tag], rng.choice(_ODD_WORDS + _ODD_NUMBERS))
        return
    parts = rng.choice((1, 1, 2, 3, 6, 7, 1000))
    layout.put(tag, _TEXTS[tag], b"\\".join(rng.choice(_ODD_NUMBERS) for _ in range(parts))[:65534])


def odd_geometry(rng: random.Random, layout: Layout) -> None:
    def numbers(count: int) -> bytes:
        scale = rng.choice((1e-9, 1e-3, 1.0, 1e5, 1e12, 1e150))
        return b"\\".join(f"{rng.uniform(-1, 1) * scale:.6g}".encode() for _ in range(count))

    for tag, count in ((0x00200032, 3), (0x00200037, 6), (0x00280030, 2), (0x00180050, 1), (0x00180088, 1)):
        if rng.random() < 0.5:
            layout.put(tag, b"DS", numbers(count))


def long_text(rng: random.Random, layout: Layout) -> None:
    one = _any(rng, layout)
    one.code = rng.choice((b"UT", b"UC", b"UN", b"OB")) if not layout.implicit else one.code
    one.value, one.length = (
        rng.choice((b"1\\", b"\\", b"A", b"1e")) * rng.choice((70_000, 600_000, 600_000, 600_000, 20_000_000)),
        None,
    )


def lookup_table(rng: random.Random, layout: Layout) -> None:
    described = [rng.choice(_EXTREME) for _ in range(rng.choice((3, 3, 3, 2, 4)))]
    entries = bytes(rng.randrange(256) for _ in range(rng.choice((0, 1, 2, 256, 512, 513))))
    inner = Element(0x00283002, b"US", struct.pack(f"<{len(described)}H", *described)).encoded(layout.implicit)
    inner += Element(0x00283006, rng.choice((b"US", b"OW", b"SS")), entries).encoded(layout.implicit)
    tag = rng.choice((0x00283000, 0x00283010))
    layout.put(tag, b"SQ", item(inner) * rng.choice((1, 1, 3)))


def palette(rng: random.Random, layout: Layout) -> None:
    layout.put(0x00280004, b"CS", b"PALETTE COLOR ")
    for k in range(3):
        described = struct.pack("<3H", rng.choice(_EXTREME), rng.choice(_EXTREME), rng.choice((8, 16, 16, 5, 0)))
        layout.put(0x00281101 + k, b"US", described)
        layout.put(0x00281201 + k, b"OW", bytes(rng.choice((0, 2, 256, 512))))


def overlay(rng: random.Random, layout: Layout) -> None:
    group = 0x60000000 + (rng.randrange(17) * 2 << 16)
    for element, code, count in (
        (0x10, b"US", 1),
        (0x11, b"US", 1),
        (0x50, b"SS", 2),
        (0x100, b"US", 1),
        (0x102, b"US", 1),
    ):
        numbers = [rng.choice(_EXTREME) for _ in range(count)]
        layout.put(group | element, code, struct.pack(f"<{count}H", *numbers))
    layout.put(group | 0x15, b"IS", rng.choice((b"1", b"3", b"2147483647", b"-7", b"x")))
    layout.put(group | 0x3000, b"OW", bytes(rng.randrange(256) for _ in range(rng.choice((0, 2, 64, 512)))))


def nested_sequences(rng: random.Random, layout: Layout) -> None:
    tag = rng.choice(_NESTING_TAGS)
    depth, value = rng.choice((10, 200, 2000)), b""
    defined = rng.random() < 0.3 and depth < 2000  # lengths that are known make the file grow with every level
    for _ in range(depth):
        head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + (b"" if layout.implicit else b"SQ\0\0")
        if defined:
            inside = item(value)
            value = head + struct.pack("<I", len(inside)) + inside
        else:
            opened = head + b"\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
            value = opened + value + b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    layout.prefixed.append(value if rng.random() < 0.8 else value[: len(value) // 2])


def undefined_length(rng: random.Random, layout: Layout) -> None:
    one = _any(rng, layout)
    one.length = UNDEFINED
    if rng.random() < 0.5:
        one.code = rng.choice((b"SQ", b"UN", b"OB"))
        one.value += b"\xfe\xff\xdd\xe0\0\0\0\0"


def functional_groups(rng: random.Random, layout: Layout) -> None:
    said = rng.choice((b"0\\0\\1", b"nan\\0\\0", b"", b"1e300\\1\\1"))
    place = Element(0x00200032, b"DS", said).encoded(layout.implicit)
    frame = Element(0x00209113, b"SQ", item(place)).encoded(layout.implicit)
    layout.put(0x52009230, b"SQ", item(frame) * rng.choice((0, 1, 2, 3, 500)))
    if rng.random() < 0.5:
        layout.put(0x00280008, b"IS", rng.choice((b"1", b"2", b"3", b"500")))


def private_header(rng: random.Random, layout: Layout) -> None:
    layout.put(0x00080008, b"CS", b"ORIGINAL\\PRIMARY\\M\\MOSAIC")
    layout.put(0x00290010, b"LO", b"SIEMENS CSA HEADER")
    head = b"SV10\4\3\2\1" + struct.pack("<II", rng.choice((0, 1, 3, 100, 2**31)), 77)
    layout.put(0x00291010, b"OB", head + bytes(rng.randrange(256) for _ in range(rng.choice((0, 80, 400)))))
    layout.put(0x00190010, b"LO", b"SIEMENS MR HEADER ")
    layout.put(0x0019100A, b"US", struct.pack("<H", rng.choice(_EXTREME)))


BY_ELEMENT: tuple[Mutation, ...] = (
    *(change_length, change_code, change_tag, swap_elements, exchange_values, delete_element, delete_meta),
    *(duplicate_element, odd_shape, odd_shape, giant_size, many_frames, odd_text, odd_text, odd_geometry, long_text),
    *(lookup_table, palette, overlay, nested_sequences, undefined_length, functional_groups, private_header),
    *(offset_table, fragments, codestream, codestream, codestream, wrong_syntax),
)


def damaged(rng: random.Random, raw: bytes) -> tuple[str, bytes]:
    """(what was done, the file) of one to three mutations of elements; nothing done where none are found."""
    layout = parsed(raw)
    if layout is None or len(layout.elements) < 2:
        return "", raw
    if rng.random() < 0.004:
        deflated_bomb(rng, layout)
        return "deflated_bomb", layout.encoded()
    chosen = [rng.choice(BY_ELEMENT) for _ in range(rng.choice((1, 1, 2, 3)))]
    for mutation in chosen:
        if len(layout.elements) > 1:
            mutation(rng, layout)
    return "+".join(sorted({mutation.__name__ for mutation in chosen})), layout.encoded()
