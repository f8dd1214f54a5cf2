import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.training.datasets.table import read_table


def written(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path, delimiter):
    table = read_table(written(tmp_path, f"image{delimiter}label\na b,.png{delimiter}x\n".replace(",.", ".")))
    assert table.columns == ("image", "label")
    assert (table.rows[0].get("image"), table.rows[0].get("label")) == ("a b.png", "x")


def test_columns_are_found_whatever_their_case_and_blanks(tmp_path):
    table = read_table(written(tmp_path, "ImageId, EncodedPixels\na, -1\n"))
    assert table.find("encodedpixels") == "EncodedPixels"
    assert table.rows[0].get("EncodedPixels") == "-1"


def test_rows_count_as_in_a_spreadsheet_also_after_empty_and_broken_lines(tmp_path):
    table = read_table(written(tmp_path, 'image,label\n"a\nb",0\n\n , \nc,1\n'))
    assert [(row.number, row.get("image")) for row in table.rows] == [(2, "a\nb"), (5, "c")]


@pytest.mark.parametrize("text", ["", "  ", "nan", "NaN", "NA", "n/a", "#N/A", "<NA>", "NULL"])
def test_what_spreadsheets_write_for_nothing_is_nothing(tmp_path, text):
    assert read_table(written(tmp_path, f"a,b\nx,{text}\n")).rows[0].get("b") == ""


def test_none_is_a_word_that_a_class_may_have(tmp_path):
    assert read_table(written(tmp_path, "a,b\nx,none\n")).rows[0].get("b") == "none"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_excel_writes_is_read(tmp_path, encoding):
    table = read_table(written(tmp_path, "größe;b\r\nä;1\r\n".encode(encoding)))
    assert table.columns == ("größe", "b")
    assert table.rows[0].get("GRÖSSE".lower().replace("ss", "ß")) == "ä"


def test_short_rows_lack_their_last_cells(tmp_path):
    assert read_table(written(tmp_path, "a,b,c\n1\n")).rows[0].get("c") == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,A \n1,2\n", "two columns named 'a'"),
        ("a,b\n1,2,3\n", "Row 2 of the labels has more cells"),
        ('a,b\n"1,2\n', "cannot be read as a table"),
        (b"a,b\n\xff\xe4,1\n", "no text in UTF-8"),
        (b"a,b\n\x00,1\n", "no text in UTF-8"),
    ],
)
def test_what_is_no_table_is_said(tmp_path, content, words):
    with pytest.raises(UserError, match=words):
        read_table(written(tmp_path, content), "labels")


def test_an_absent_table_is_said_without_its_path(tmp_path):
    with pytest.raises(UserError) as caught:
        read_table(tmp_path / "MUSTER_ERIKA.csv")
    assert "MUSTER" not in f"{caught.value} {caught.value.detail}"
