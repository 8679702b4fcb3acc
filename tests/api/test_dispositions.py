"""Names in forms, in every spelling that clients use."""

import pytest

from media_analysis.api.dispositions import Disposition, read_disposition, read_parameters
from media_analysis.errors import InvalidRequest

FILENAMES = {
    b'filename="plain name.mp4"': "plain name.mp4",
    b"filename=token.mp4": "token.mp4",
    b'FileName = "spaced.mp4" ;': "spaced.mp4",
    b'filename=""': "",
    'filename="\u0444\u0438\u043b\u044c\u043c.mp4"'.encode(): "\u0444\u0438\u043b\u044c\u043c.mp4",
    b'filename="a; name=b, c=d.mp4"': "a; name=b, c=d.mp4",
    rb'filename="say \"hi\".mp4"': 'say "hi".mp4',
    b'filename="say %22hi%22.mp4"': 'say "hi".mp4',
    b'filename="a%0D%0ab"': "a\r\nb",
    b'filename="100%.mp4"': "100%.mp4",
    b'filename="a%20b%41%25.mp4"': "a%20b%41%25.mp4",
    rb'filename="back\\slash.mp4"': r"back\slash.mp4",
    rb'filename="back\slash.mp4"': r"back\slash.mp4",
    rb'filename="C:\Users\me\a day.mp4"': "a day.mp4",
    rb'filename="C:\\Users\\me\\a day.mp4"': "a day.mp4",
    rb'filename="\\\\server\\share\\a.mp4"': "a.mp4",
    b'filename="../../x"': "../../x",
    b"filename*=UTF-8''caf%C3%A9%20%22x%22.mp4": 'caf\xe9 "x".mp4',
    b"filename*=utf-8'fr'caf%C3%A9.mp4": "caf\xe9.mp4",
    b"filename*=iso-8859-1''caf%E9.mp4": "caf\xe9.mp4",
    b"filename=\"plain.mp4\"; filename*=UTF-8''caf%C3%A9.mp4": "caf\xe9.mp4",
    b"filename*=UTF-8''caf%C3%A9.mp4; filename=plain.mp4": "caf\xe9.mp4",
    b'filename="=?utf-8?B?Y2Fmw6kubXA0?="': "caf\xe9.mp4",
    b'filename="=?UTF-8?q?caf=C3=A9_1.mp4?="': "caf\xe9 1.mp4",
    b'filename="=?iso-8859-1?Q?caf=E9?= =?utf-8?b?Lm1wNA==?="': "caf\xe9.mp4",
    b'filename="=?utf-8?B?Y2Fmw6kubXA0?= x"': "=?utf-8?B?Y2Fmw6kubXA0?= x",
    b'filename="what=?.mp4"': "what=?.mp4",
    b'filename="a.mp4"; size=12; creation-date="Sun, 1 Feb 2026"': "a.mp4",
}


def test_a_filename_is_understood_however_it_is_spelled() -> None:
    read = {given: read_disposition(b'form-data; name="file"; ' + given).filename for given in FILENAMES}

    assert read == FILENAMES


def test_a_name_is_understood_likewise_and_a_field_has_no_filename() -> None:
    spelled = [b"name=file", b'NAME="file"', b'name="=?utf-8?B?ZmlsZQ==?="', b' name = "file" ; ']

    assert [read_disposition(b"Form-Data;" + given) for given in spelled] == [Disposition("file", None)] * len(spelled)
    assert read_disposition(b'form-data; name="a%22b"').name == 'a"b'


REFUSED = [
    b"",
    b"form-data",
    b'form-data; filename="a"',
    b'attachment; name="file"',
    b'form-data; name="file"; name="file"',
    b'form-data; name="file"; filename="a"; FILENAME="b"',
    b'form-data; name="file',
    b'form-data; name="file" x',
    b"form-data; name=file x",
    b'form-data; name="file"; filename="\xe9.mp4"',
    b'form-data; name="\xff"',
    b"form-data; name=file; filename*=caf%C3%A9.mp4",
    b"form-data; name=file; filename*=UTF-8''caf%E9.mp4",
    b"form-data; name=file; filename*=UTF-8''caf%C.mp4",
    b"form-data; name=file; filename*=koi8-r''%C6.mp4",
    b"form-data; name=file; filename*0=a; filename*1=b.mp4",
    b"form-data; name=file; filename*0*=UTF-8''a",
    b'form-data; name=file; filename="=?utf-8?B?Y2F?="',
    b'form-data; name=file; filename="=?utf-8?Q?=E9?="',
    b'form-data; name=file; filename="=?utf-7?Q?+AGE-?="',
    b'form-data; name=file; filename="=?unicode_escape?Q?=5Cu0041?="',
]


@pytest.mark.parametrize("given", REFUSED, ids=range(len(REFUSED)))
def test_what_is_malformed_said_twice_or_no_text_is_refused_in_words(given: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^(Content-Disposition|name|filename\*?): "):
        read_disposition(given)


def test_a_long_header_is_read_in_no_time() -> None:
    hostile = b"form-data" + b'; a="' + b"\\" * 4000

    with pytest.raises(InvalidRequest):
        read_parameters("Content-Disposition", hostile + b" =? " * 800)
