"""Bugs in what is told and shown of media files."""

from tests.mutants.mutant import Mutant

_TIME = "tests/media/test_cases_time.py::test_"
_COLOUR = "tests/media/test_cases_colour.py::test_"
_TIFF = "tests/media/test_cases_tiff.py::test_"
_CONTENTS = "tests/media/types/test_contents.py::test_"
_DURATIONS = "tests/media/films/test_durations.py::test_"
_CONTINUITY = "tests/media/films/test_continuity.py::test_"

MUTANTS = (
    Mutant(
        "what goes on in other streams is left out",
        14,
        "media/films/succession.py",
        "            line.append(other)",
        "            pass",
        ("tests/media/films/test_succession.py::test_parts_with_other_numbers_are_shown_one_after_another",),
    ),
    Mutant(
        "headers of Theora are pictures",
        14,
        "media/films/opening.py",
        "if kind >= _THEORA_HEADER:",
        "if kind > 2 * _THEORA_HEADER:",
        (f"{_CONTINUITY}parts_of_a_chained_theora_file_are_shown_by_their_own_headers",),
    ),
    Mutant(
        "pictures are shown beyond the end that headers tell",
        14,
        "media/films/durations.py",
        "shown_seconds > told + _SHOWN_SECONDS",
        "shown_seconds < 0",
        (f"{_DURATIONS}what_the_beginning_of_a_large_file_tells_must_fit_what_is_said_of_all",),
    ),
    Mutant(
        "a clock that begins anew is not noticed",
        14,
        "media/films/continuity.py",
        "        if place in restarts or (begins and not (clock.guessed and stamps.keys)):",
        "        if place in restarts:",
        ("tests/media/test_case_table.py::test_a_file_lasts_as_long_as_it_plays",),
    ),
    Mutant(
        "packets are decoded with the time stamps they are stored with",
        14,
        "media/films/decoding.py",
        "            yield place, restamped(seen, ticks)",
        "            yield place, seen",
        (f"{_TIME}every_selection_shares_one_line_and_says_where_time_stamps_do_not_go_on",),
    ),
    Mutant(
        "a stray is taken for a jump",
        14,
        "media/films/continuity.py",
        "        if place and _is_stray(stamps, clock, place):",
        "        if not place:",
        (f"{_CONTINUITY}a_stray_stands_where_it_was_expected",),
    ),
    Mutant(
        "an end is taken for a duration",
        14,
        "media/films/durations.py",
        " and not _is_late(container)",
        "",
        (f"{_DURATIONS}headers_of_what_begins_late_tell_no_duration",),
    ),
    Mutant(
        "what headers say of a duration is believed",
        14,
        "media/films/durations.py",
        "    return not is_past and _is_near(told, measured.duration_seconds)",
        "    return True",
        (f"{_DURATIONS}a_duration_that_headers_tell_wrongly_is_measured",),
    ),
    Mutant(
        "the tracks of a film are sought in front alone",
        14,
        "media/types/contents.py",
        "tracks = part if part.name == TRACKS else _sought(file, segment, part)",
        "tracks = part if part.name == TRACKS else None",
        (f"{_CONTENTS}tracks_are_found_where_a_directory_says_that_they_are",),
    ),
    Mutant(
        "an upload is what its beginning is",
        14,
        "files/upload/service.py",
        "        if not sniffed.is_certain:",
        "        if False:",
        (
            "tests/files/upload/test_uploads.py::test_what_the_end_of_a_file_tells_decides_and_its_beginning_refuses_nothing",
        ),
    ),
    Mutant(
        "light above reference white is cut off",
        14,
        "media/colours/primaries.py",
        "_KNEE + _SHOULDER * math.log1p((light - _KNEE) / _SHOULDER)",
        "min(1.0, light)",
        (f"{_COLOUR}highlights_roll_off",),
    ),
    Mutant(
        "a product takes the profile of its source along",
        14,
        "media/pictures.py",
        "icc_profile=None, ",
        "",
        (f"{_COLOUR}display_p3_is_shown_as_it_looks_and_without_its_profile",),
    ),
    Mutant(
        "a DNG is its preview",
        14,
        "media/stills/tiff_directories.py",
        "full = [directory for directory in directories if directory.is_page]",
        "full = [directory for directory in directories if not directory.is_page]",
        (f"{_TIFF}a_dng_is_its_full_picture_and_not_its_preview",),
    ),
    Mutant(
        "a mask is a page",
        14,
        "media/stills/tiff_directories.py",
        "is_beside = self.first(_SUBFILE_TYPE) & ~_IS_ONE_OF_SEVERAL",
        "is_beside = self.first(_SUBFILE_TYPE) & 1",
        ("tests/media/test_pages.py::test_smaller_copies_masks_and_maps_are_no_pages",),
    ),
    Mutant(
        "planes of sixteen bits are read as bytes",
        14,
        "media/stills/tiff.py",
        "and kind.bits > _BYTE and kind.samples > 1",
        "and kind.bits > 4 * _BYTE and kind.samples > 1",
        ("tests/media/stills/test_tiff_rows.py::test_colours_of_any_depth_are_shown",),
    ),
    Mutant(
        "a frame of an animated PNG replaces what it is blended over",
        14,
        "media/stills/apng.py",
        "if frame.blend == _OVER:",
        "if frame.blend > _OVER:",
        ("tests/media/stills/test_apng.py::test_what_is_blended_over_opaque_colours_stays_opaque",),
    ),
    Mutant(
        "an exponent counts although a PNG says that it is sRGB",
        14,
        "media/stills/calibration.py",
        'if image.format != "PNG" or "srgb" in image.info:',
        'if image.format != "PNG":',
        ("tests/media/stills/test_calibration.py::test_a_png_is_shown_by_what_outranks_the_rest",),
    ),
)
