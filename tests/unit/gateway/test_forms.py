"""Uploads by form are read as they come, however they are cut into blocks."""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.forms import UploadForm
from pipeline.errors import Rejected

names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=30)


def encoded(fields: dict[str, str], *files: tuple[str, bytes]) -> tuple[str, bytes]:
    """(Content-Type, body) of a form."""
    form = httpx.Request("POST", "https://x", data=fields, files=[("file", each) for each in files])
    return form.headers["content-type"], form.read()


def blocks(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def taken(form: UploadForm) -> list[bytes]:
    """All files of the form."""
    came = [b"".join(form.content())]
    while form.next_file():
        came.append(b"".join(form.content()))
    return came


@given(names, names, st.binary(max_size=5000), st.integers(1, 200))
def test_field_name_and_content_come_out_as_they_were_sent(
    name: str, filename: str, content: bytes, size: int
) -> None:
    content_type, body = encoded({"name": name}, (filename, content))
    form = UploadForm(content_type, blocks(body, size))
    assert b"".join(form.content()) == content
    assert form.fields == {"name": name}


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_form_that_is_cut_off_is_refused(content: bytes, data: st.DataObject) -> None:
    """Wherever that is before the file's end."""
    content_type, body = encoded({"name": "x"}, ("x", content))
    cut = data.draw(st.integers(0, body.rindex(b"\r\n--") - 1))
    with pytest.raises(Rejected):
        b"".join(UploadForm(content_type, blocks(body[:cut], 100)).content())


@given(st.lists(st.tuples(names, st.binary(max_size=300)), min_size=1, max_size=5), st.integers(1, 700))
def test_several_files_come_one_behind_the_other(files: list[tuple[str, bytes]], size: int) -> None:
    """However many of them are in one block."""
    content_type, body = encoded({"name": "x"}, *files)
    form = UploadForm(content_type, blocks(body, size), most_files=5)
    assert taken(form) == [content for _, content in files]


def test_files_of_a_form_are_as_many_as_it_may_have() -> None:
    content_type, body = encoded({}, *[("x", b"1")] * 6)
    with pytest.raises(Rejected, match="more than 5 files"):
        taken(UploadForm(content_type, blocks(body, 7), most_files=5))


def test_a_second_file_is_refused() -> None:
    """Two files are never taken for one."""
    content_type, body = encoded({}, ("a", b"first"), ("b", b"second"))
    with pytest.raises(Rejected, match="more than one file"):
        b"".join(UploadForm(content_type, blocks(body, 7)).content())


@given(st.binary(max_size=300))
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        b"".join(UploadForm("multipart/form-data; boundary=abc", iter([body])).content())


@pytest.mark.parametrize(
    "headers",
    [
        [b"X: y"] * 9,
        [b"X: " + b"y" * 10_000],
        [b"X" * 10_000 + b": y"],
    ],
    ids=["many", "long", "with a long name"],
)
def test_headers_of_a_part_are_bounded(headers: list[bytes]) -> None:
    """They are kept in memory until the part begins, so that no client may send them without end; the form is refused
    before they are over."""
    body = b"--abc\r\n" + b"\r\n".join(headers)
    with pytest.raises(Rejected, match="cannot be read"):
        UploadForm("multipart/form-data; boundary=abc", blocks(body + b"\r\n", 100))


def test_the_boundary_of_a_form_is_bounded() -> None:
    """RFC 2046 §5.1.1 has 70 characters at most; one of thousands is no form, and no error of ours."""
    boundary = "a" * 5_000
    with pytest.raises(Rejected, match="cannot be read"):
        UploadForm(f"multipart/form-data; boundary={boundary}", iter([f"--{boundary}\r\n".encode()]))


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "text/plain; boundary=a"]
)
def test_a_body_of_another_type_is_refused(content_type: str) -> None:
    with pytest.raises(Rejected):
        UploadForm(content_type, iter([b""]))
