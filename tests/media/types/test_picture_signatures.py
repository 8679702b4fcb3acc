"""Pictures are told by how they begin, whether they are read or not."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from media_analysis.errors.media import UnsupportedMedia
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from media_analysis.media.stills.images import READ_TYPES, image_format, open_image
from media_analysis.media.types.known import UNKNOWN, extension_of, family_of, title_of
from tests.media.sniffing import sniff

ICON = b"\x01\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x16\0\0\0"
WRITTEN_BY_PILLOW = {
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
}
NOT_READ = {
    "SVG": (
        "image/svg+xml",
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b'<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG" "x" [<!ENTITY a "b">]>\n<!-- > -->\n<svg/>',
        b"\xef\xbb\xbf<!-- one --><!-- two -->\n<svg>",
    ),
    "PostScript": ("application/postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xc5\xd0\xd3\xc6" + bytes(28)),
    "PDF": ("application/pdf", b"%PDF-1.4\n"),
    "Photoshop": ("image/vnd.adobe.photoshop", b"8BPS\0\x01", b"8BPS\0\x02"),
    "OpenEXR": ("image/x-exr", b"v/1\x01\x02\0\0\0"),
    "Radiance HDR": ("image/vnd.radiance", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n", b"#?RGBE\n"),
    "DDS": ("image/x-dds", b"DDS |\0\0\0" + bytes(120)),
    "JPEG 2000": ("image/jp2", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "JPEG XL": ("image/jxl", b"\xff\x0a" + bytes(8), b"\0\0\0\x0cJXL \r\n\x87\n"),
    "JPEG XR": ("image/jxr", b"II\xbc\x01\x08\0\0\0"),
    "JPEG-LS": ("image/jls", b"\xff\xd8\xff\xf7\0\x0b\x08\0\x04\0\x04\x01\x01\x11\0"),
    "HEIC": ("image/heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
    "Apple icon": ("image/x-icns", b"icns\0\0\x01\0ic07"),
    "Windows icon": ("image/vnd.microsoft.icon", b"\0\0\x01\0" + ICON),
    "Windows cursor": ("image/x-win-cursor", b"\0\0\x02\0" + ICON),
    "Netpbm": ("image/x-portable-anymap", b"P5\n# c\n4 4\n255\n", b"P4 4 4\n\xff", b"P7\nWIDTH 4\nHEIGHT 4\n"),
    "PCX": ("image/vnd.zbrush.pcx", b"\x0a\x05\x01\x08" + bytes(124)),
    "GIMP image": ("image/x-xcf", b"gimp xcf v011\0"),
    "BPG": ("image/bpg", b"BPG\xfb\0"),
    "DICOM": ("application/dicom", bytes(128) + b"DICM"),
    "FITS": ("image/fits", b"SIMPLE  =                    T / conforms"),
    "DjVu": ("image/vnd.djvu", b"AT&TFORM\0\0\0\x40DJVU"),
    "SGI image": ("image/sgi", b"\x01\xda\x01\x01\x00\x02" + bytes(506)),
    "Sun raster": ("image/x-cmu-raster", b"\x59\xa6\x6a\x95" + bytes(28)),
    "XPM": ("image/x-xpixmap", b"/* XPM */\nstatic char"),
    "EMF": ("image/emf", b"\x01\0\0\0\x6c\0\0\0" + bytes(32) + b" EMF" + bytes(60)),
    "WMF": ("image/wmf", b"\xd7\xcd\xc6\x9a\0\0" + bytes(20)),
    "KTX": ("image/ktx", b"\xabKTX 11\xbb\r\n\x1a\n"),
    "MNG": ("video/x-mng", b"\x8aMNG\r\n\x1a\n"),
    "JNG": ("image/x-jng", b"\x8bJNG\r\n\x1a\n"),
    "QOI": ("image/x-qoi", b"qoif\0\0\0\x04"),
    "DPX": ("image/x-dpx", b"SDPX", b"XPDS"),
    "Canon raw (CR2)": ("image/x-canon-cr2", b"II*\0\x10\0\0\0CR\x02\0" + bytes(32)),
    "Canon raw (CR3)": ("image/x-canon-cr3", b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom"),
    "Fujifilm raw": ("image/x-fuji-raf", b"FUJIFILMCCD-RAW 0201"),
    "Olympus raw": ("image/x-olympus-orf", b"IIRO\x08\0\0\0", b"IIRS\x08\0\0\0", b"MMOR\0\0\0\x08"),
    "Panasonic raw": ("image/x-panasonic-rw2", b"IIU\0\x18\0\0\0"),
    "Sigma raw": ("image/x-sigma-x3f", b"FOVb\0\0\x03\0"),
    "Minolta raw": ("image/x-minolta-mrw", b"\0MRM\0\0\0\x40"),
}
"""By what people call them: their type, and how some begin, by their specifications."""
HEADS = [(title, known[0], head) for title, known in NOT_READ.items() for head in known[1:]]


@pytest.mark.parametrize(
    ("title", "media_type", "head"), HEADS, ids=[f"{title}-{head[:6]!r}" for title, _, head in HEADS]
)
def test_what_is_not_read_is_stored_and_refused_as_what_it_is(
    title: str, media_type: str, head: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(head)

    assert sniff(head, declared="text/plain") == media_type
    assert (title_of(media_type), media_type in READ_TYPES) == (title, False)
    assert extension_of(media_type) != "bin"
    with pytest.raises(UnsupportedMedia) as refused:
        probe(path, Limits())
    assert str(refused.value).startswith(f"{title} is not ")


@pytest.mark.parametrize(("make", "title"), [(b"NIKON CORPORATION\0", "Nikon raw"), (b"SONY\0", "Sony raw")])
@pytest.mark.parametrize("order", ["little", "big"])
def test_raws_that_begin_as_tiff_are_told_by_their_maker(make: bytes, title: str, order: str, tmp_path: Path) -> None:
    def number(value: int, length: int) -> bytes:
        return value.to_bytes(length, "little" if order == "little" else "big")

    entries = number(254, 2) + number(4, 2) + number(1, 4) + number(1, 4)
    entries += number(271, 2) + number(2, 2) + number(len(make), 4) + number(8 + 2 + 24 + 4, 4)
    head = (b"II" if order == "little" else b"MM") + number(42, 2) + number(8, 4) + number(2, 2) + entries + bytes(4)
    path = tmp_path / "raw"
    path.write_bytes(head + make)

    with pytest.raises(UnsupportedMedia, match=title):
        image_format(path)


@pytest.mark.parametrize(("media_type", "name"), WRITTEN_BY_PILLOW.items())
def test_what_is_read_has_one_type_at_the_upload_and_by_the_probe(media_type: str, name: str, tmp_path: Path) -> None:
    content = BytesIO()
    Image.new("RGB", (16, 16)).save(content, name)
    path = tmp_path / "file"
    path.write_bytes(content.getvalue())

    assert sniff(content.getvalue(), declared=None) == media_type
    assert (image_format(path), probe(path, Limits()).media_type) == (name, media_type)
    with open_image(path, Limits()) as image:
        assert Image.MIME[image.format or ""] == media_type


def test_every_type_that_is_read_was_tried() -> None:
    assert {*WRITTEN_BY_PILLOW, "image/x-adobe-dng"} == READ_TYPES
    assert {family_of(media_type) for media_type in READ_TYPES} == {"image"}


@pytest.mark.parametrize(
    "head",
    [
        b"P5 is the number of a plan\n",
        b"P1\n",
        b"icns are icons\n",
        b"BM is a unit\n",
        b"\n\n\n\n",
        b"<html><svg></svg></html>",
        b"DDS | direct digital synthesis",
        b"\0\0\x01\0" + bytes(40),
        bytes(4096),
        b"<!-- -->" * 500,
        b" " * 4096,
        b"<?x?>" * 800 + b"<sv",
    ],
    ids=lambda head: repr(head[:12]),
)
def test_words_and_zeros_are_no_pictures(head: bytes) -> None:
    found = sniff(head, declared=None)

    assert found == UNKNOWN or found.partition("/")[0] in {"text", "application"}
