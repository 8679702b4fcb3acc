"""Media types: which there are here, how they are called, and what reads them; one table for uploads and probes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

UNKNOWN: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type by its name at IANA, or the usual one where it was never registered."""

    name: str
    extension: str
    title: str
    """What people call such files."""
    demuxer: str | None = None
    """What reads it here, by FFmpeg's name; None for what no demuxer does."""
    also: tuple[str, ...] = ()
    """Other extensions."""
    family: str = ""
    """Where the name does not begin with it."""


_TABLE: Final = (
    MediaType("application/dicom", "dcm", "DICOM"),
    MediaType("application/gxf", "gxf", "GXF", family="video"),
    MediaType("application/gzip", "gz", "gzip"),
    MediaType("application/json", "json", "JSON"),
    MediaType("application/mxf", "mxf", "MXF", "mxf", family="video"),
    MediaType("application/pdf", "pdf", "PDF"),
    MediaType("application/postscript", "ps", "PostScript", also=("eps",)),
    MediaType("application/vnd.rn-realmedia", "rm", "RealMedia", "rm", ("rmvb",), family="video"),
    MediaType("application/zip", "zip", "ZIP"),
    MediaType("application/zstd", "zst", "Zstandard"),
    MediaType("audio/3gpp", "3gp", "3GPP audio", "mov"),
    MediaType("audio/3gpp2", "3g2", "3GPP2 audio", "mov"),
    MediaType("audio/aac", "aac", "AAC", "aac"),
    MediaType("audio/ac3", "ac3", "AC-3", "ac3"),
    MediaType("audio/amr", "amr", "AMR", "amr"),
    MediaType("audio/amr-wb", "awb", "AMR-WB", "amr"),
    MediaType("audio/basic", "au", "Sun audio", "au", ("snd",)),
    MediaType("audio/eac3", "eac3", "E-AC-3", "eac3", ("ec3",)),
    MediaType("audio/flac", "flac", "FLAC", "flac"),
    MediaType("audio/mp2p", "mpg", "MPEG programme stream of sound", "mpeg"),
    MediaType("audio/mp2t", "ts", "MPEG transport stream of sound", "mpegts"),
    MediaType("audio/mp4", "m4a", "MPEG-4 audio", "mov", ("m4b",)),
    MediaType("audio/mpeg", "mp3", "MP3", "mp3", ("mp2", "mpa")),
    MediaType("audio/ogg", "ogg", "Ogg", "ogg", ("oga", "opus")),
    MediaType("audio/vnd.dolby.mlp", "thd", "Dolby TrueHD", also=("mlp",)),
    MediaType("audio/vnd.dts", "dts", "DTS"),
    MediaType("audio/wav", "wav", "WAVE", "wav"),
    MediaType("audio/webm", "weba", "WebM audio", "matroska"),
    MediaType("audio/x-adx", "adx", "CRI ADX"),
    MediaType("audio/x-aiff", "aiff", "AIFF", "aiff", ("aif", "aifc")),
    MediaType("audio/x-ape", "ape", "Monkey's Audio", "ape"),
    MediaType("audio/x-caf", "caf", "Core Audio", "caf"),
    MediaType("audio/x-dsf", "dsf", "DSD (DSF)"),
    MediaType("audio/x-flv", "flv", "Flash audio", "flv"),
    MediaType("audio/x-matroska", "mka", "Matroska audio", "matroska"),
    MediaType("audio/x-ms-wma", "wma", "Windows Media audio", "asf"),
    MediaType("audio/x-msvideo", "avi", "AVI of sound", "avi"),
    MediaType("audio/x-musepack", "mpc", "Musepack"),
    MediaType("audio/x-mxf", "mxf", "MXF of sound", "mxf"),
    MediaType("audio/x-nut", "nut", "NUT of sound", "nut"),
    MediaType("audio/x-pn-realaudio", "ra", "RealAudio", "rm"),
    MediaType("audio/x-tak", "tak", "TAK"),
    MediaType("audio/x-tta", "tta", "True Audio"),
    MediaType("audio/x-voc", "voc", "Creative Voice"),
    MediaType("audio/x-w64", "w64", "Sony Wave64", "w64"),
    MediaType("audio/x-wavpack", "wv", "WavPack", "wv"),
    MediaType("image/avif", "avif", "AVIF"),
    MediaType("image/bmp", "bmp", "BMP", also=("dib",)),
    MediaType("image/bpg", "bpg", "BPG"),
    MediaType("image/emf", "emf", "EMF"),
    MediaType("image/fits", "fits", "FITS", also=("fit",)),
    MediaType("image/gif", "gif", "GIF"),
    MediaType("image/heic", "heic", "HEIC", also=("heif",)),
    MediaType("image/jls", "jls", "JPEG-LS"),
    MediaType("image/jp2", "jp2", "JPEG 2000", also=("j2k", "jpx")),
    MediaType("image/jpeg", "jpg", "JPEG", also=("jpeg",)),
    MediaType("image/jxl", "jxl", "JPEG XL"),
    MediaType(
        "image/jxr",
        "jxr",
        "JPEG XR",
        also=(
            "wdp",
            "hdp",
        ),
    ),
    MediaType("image/ktx", "ktx", "KTX"),
    MediaType("image/ktx2", "ktx2", "KTX 2"),
    MediaType("image/png", "png", "PNG", also=("apng",)),
    MediaType("image/sgi", "sgi", "SGI image", also=("rgb",)),
    MediaType("image/svg+xml", "svg", "SVG"),
    MediaType("image/tga", "tga", "Targa"),
    MediaType("image/tiff", "tiff", "TIFF", also=("tif",)),
    MediaType("image/vnd.adobe.photoshop", "psd", "Photoshop"),
    MediaType("image/vnd.djvu", "djvu", "DjVu", also=("djv",)),
    MediaType("image/vnd.microsoft.icon", "ico", "Windows icon"),
    MediaType("image/vnd.radiance", "hdr", "Radiance HDR"),
    MediaType("image/vnd.zbrush.pcx", "pcx", "PCX"),
    MediaType("image/webp", "webp", "WebP"),
    MediaType("image/wmf", "wmf", "WMF"),
    MediaType("image/x-adobe-dng", "dng", "Adobe raw (DNG)"),
    MediaType("image/x-canon-cr2", "cr2", "Canon raw (CR2)"),
    MediaType("image/x-canon-cr3", "cr3", "Canon raw (CR3)"),
    MediaType("image/x-cmu-raster", "ras", "Sun raster"),
    MediaType("image/x-dds", "dds", "DDS"),
    MediaType("image/x-dpx", "dpx", "DPX"),
    MediaType("image/x-exr", "exr", "OpenEXR"),
    MediaType("image/x-fuji-raf", "raf", "Fujifilm raw"),
    MediaType("image/x-icns", "icns", "Apple icon"),
    MediaType("image/x-jng", "jng", "JNG"),
    MediaType("image/x-minolta-mrw", "mrw", "Minolta raw"),
    MediaType("image/x-nikon-nef", "nef", "Nikon raw"),
    MediaType("image/x-olympus-orf", "orf", "Olympus raw"),
    MediaType("image/x-panasonic-rw2", "rw2", "Panasonic raw"),
    MediaType(
        "image/x-portable-anymap",
        "pnm",
        "Netpbm",
        also=(
            "pbm",
            "pgm",
            "ppm",
            "pam",
        ),
    ),
    MediaType("image/x-qoi", "qoi", "QOI"),
    MediaType("image/x-sigma-x3f", "x3f", "Sigma raw"),
    MediaType("image/x-sony-arw", "arw", "Sony raw"),
    MediaType("image/x-win-cursor", "cur", "Windows cursor"),
    MediaType("image/x-xcf", "xcf", "GIMP image"),
    MediaType("image/x-xpixmap", "xpm", "XPM"),
    MediaType("text/plain", "txt", "plain text"),
    MediaType("video/3gpp", "3gp", "3GPP", "mov"),
    MediaType("video/3gpp2", "3g2", "3GPP2", "mov"),
    MediaType("video/av1", "obu", "AV1", "obu"),
    MediaType("video/dv", "dv", "DV", "dv", ("dif",)),
    MediaType("video/h264", "h264", "H.264", "h264", ("264", "avc")),
    MediaType("video/h265", "h265", "H.265", "hevc", ("265", "hevc")),
    MediaType("video/mp2t", "ts", "MPEG transport stream", "mpegts", ("m2ts", "mts")),
    MediaType("video/mp4", "mp4", "MPEG-4", "mov", ("m4v", "f4v")),
    MediaType("video/mp4v-es", "m4e", "MPEG-4 video", "m4v"),
    MediaType("video/mpeg", "mpg", "MPEG", "mpeg", ("mpeg", "vob", "m2v")),
    MediaType("video/ogg", "ogv", "Ogg video", "ogg"),
    MediaType("video/quicktime", "mov", "QuickTime", "mov"),
    MediaType("video/webm", "webm", "WebM", "matroska"),
    MediaType("video/x-flv", "flv", "Flash video", "flv"),
    MediaType("video/x-ivf", "ivf", "IVF", "ivf"),
    MediaType("video/x-matroska", "mkv", "Matroska", "matroska"),
    MediaType("video/x-mng", "mng", "MNG"),
    MediaType("video/x-motion-jpeg", "mjpeg", "Motion JPEG", "mjpeg", ("mjpg",)),
    MediaType("video/x-ms-wmv", "wmv", "Windows Media", "asf", ("asf",)),
    MediaType("video/x-ms-wtv", "wtv", "Windows TV recording"),
    MediaType("video/x-msvideo", "avi", "AVI", "avi"),
    MediaType("video/x-nsv", "nsv", "Nullsoft video"),
    MediaType("video/x-nut", "nut", "NUT", "nut"),
    MediaType("video/x-yuv4mpeg", "y4m", "YUV4MPEG2"),
)
_BY_NAME: Final = {known.name: known for known in _TABLE}
_SOUND: Final = {
    "application/mxf": "audio/x-mxf",
    "application/vnd.rn-realmedia": "audio/x-pn-realaudio",
    "video/3gpp": "audio/3gpp",
    "video/3gpp2": "audio/3gpp2",
    "video/mp2t": "audio/mp2t",
    "video/mp4": "audio/mp4",
    "video/mpeg": "audio/mp2p",
    "video/ogg": "audio/ogg",
    "video/quicktime": "audio/mp4",
    "video/webm": "audio/webm",
    "video/x-flv": "audio/x-flv",
    "video/x-matroska": "audio/x-matroska",
    "video/x-motion-jpeg": "image/jpeg",
    "video/x-ms-wmv": "audio/x-ms-wma",
    "video/x-msvideo": "audio/x-msvideo",
    "video/x-nut": "audio/x-nut",
}
"""What a container of pictures that move is called where it holds sound alone, or one picture."""
_PICTURES: Final = {sound: moving for moving, sound in _SOUND.items() if moving != "video/quicktime"}


def _extensions() -> Iterator[tuple[str, str]]:
    for known in _TABLE:
        yield from ((extension, known.name) for extension in (*known.also, known.extension))


_BY_EXTENSION: Final = dict(_extensions())
_BY_DEMUXER: Final = {known.demuxer: known.name for known in _TABLE if known.demuxer is not None} | {
    "amr": "audio/amr",
    "flv": "video/x-flv",
    "mov": "video/mp4",
    "mpeg": "video/mpeg",
    "mpegvideo": "video/mpeg",
    "ogg": "audio/ogg",
}


def extension_of(media_type: str) -> str:
    """Return a file extension without dot that is safe on every disk, `bin` where none is known."""
    return _BY_NAME[media_type].extension if media_type in _BY_NAME else "bin"


def type_of_extension(extension: str) -> str:
    """Return the media type files so named usually have; who must know reads the file instead."""
    return _BY_EXTENSION.get(extension.lower(), UNKNOWN)


def title_of(media_type: str) -> str:
    """Return what people call files of a type."""
    return _BY_NAME[media_type].title if media_type in _BY_NAME else media_type


def family_of(media_type: str) -> str:
    """Return `video`, `audio`, `image` or another family, also of types whose name does not begin with theirs."""
    known = _BY_NAME.get(media_type)
    return known.family if known is not None and known.family else media_type.partition("/")[0]


def is_read(media_type: str) -> bool:
    """Return whether a demuxer here reads such files, unless they are broken."""
    return media_type in _BY_NAME and _BY_NAME[media_type].demuxer is not None


def type_of_container(demuxer: str, begins_like: str, *, moves: bool) -> str:
    """Return the type of what a demuxer has opened, by how it begins and whether it holds more than sound."""
    known = _BY_NAME.get(begins_like)
    is_of_it = known is not None and demuxer == known.demuxer
    return with_family(begins_like if is_of_it else _BY_DEMUXER.get(demuxer, UNKNOWN), moves=moves)


def with_family(media_type: str, *, moves: bool) -> str:
    """Return the name of a container that holds pictures that move, or none that do."""
    return (_PICTURES if moves else _SOUND).get(media_type, media_type)


def list_types() -> Sequence[MediaType]:
    """Return all types there are."""
    return _TABLE
