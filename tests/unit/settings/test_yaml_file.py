import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.settings.yaml_file import path_text, read_document


@pytest.fixture
def read(tmp_path):
    """Read `text` (or bytes) as a file."""

    def read_text(text):
        path = tmp_path / "file.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_document(path)

    return read_text


def problems(document):
    return [(problem.line, problem.path, problem.text) for problem in document.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param("yes", "yes", id="yes-is-text"),
        pytest.param("no", "no", id="no-is-text-and-not-false"),
        pytest.param("on", "on", id="on-is-text"),
        pytest.param("1:30", "1:30", id="no-sexagesimal-numbers"),
        pytest.param("007", "007", id="a-leading-zero-makes-text"),
        pytest.param("010", "010", id="no-octal-numbers"),
        pytest.param("0x1f", "0x1f", id="no-hexadecimal-numbers"),
        pytest.param("1_000", "1_000", id="no-underscores-in-numbers"),
        pytest.param("2020-01-01", "2020-01-01", id="no-dates"),
        pytest.param("=", "=", id="no-default-value-key"),
        pytest.param("<<", "<<", id="no-merge-key"),
        pytest.param("1.5.2", "1.5.2", id="a-version-is-text"),
        pytest.param(".inf", ".inf", id="infinity-is-text"),
        pytest.param("'404'", "404", id="quotes-make-text"),
        pytest.param("404", 404, id="a-whole-number"),
        pytest.param("-3", -3, id="a-negative-number"),
        pytest.param("0", 0, id="zero"),
        pytest.param("1.5", 1.5, id="a-fraction"),
        pytest.param("1e3", 1000.0, id="an-exponent"),
        pytest.param("true", True, id="true"),
        pytest.param("False", False, id="false"),
        pytest.param("", None, id="nothing"),
        pytest.param("~", None, id="tilde"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(read, written, value):
    found = read(f"key: {written}").tree["key"]
    assert (found, type(found)) == (value, type(value))


@given(st.from_regex(r"[-+0-9.eE]{1,12}", fullmatch=True))
def test_whatever_looks_like_a_number_is_a_number_or_text(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("numbers") / "file.yaml"
    path.write_text(f"key: {text}")
    document = read_document(path)
    if not document.problems and isinstance(document.tree, dict):
        assert isinstance(document.tree["key"], int | float | str | list)


def test_each_place_has_its_line(read):
    document = read("a: 1\nb:\n  - x\n  - c: 2\n    d: 3\n")
    lines = {path_text(path): line for path, line in document.lines.items()}
    assert lines == {"": 1, "a": 1, "b": 2, "b[0]": 3, "b[1]": 4, "b[1].c": 4, "b[1].d": 5}


def test_a_place_that_is_missing_has_the_line_around_it(read):
    assert read("a: 1\nb:\n  c: 2\n").line(("b", "missing", 3)) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 1\nb: 2\na: 3\n", (3, "a", "the key stands twice, first in line 1 (keep one)"), id="twice"),
        pytest.param("x:\n  a: 1\n  a: 1\n", (3, "x.a", "the key stands twice, first in line 2 (keep one)"), id="deep"),
        pytest.param("404: x", (1, "", 'a key must be text (try "404":)'), id="a-number-as-key"),
        pytest.param("? [a]\n: x", (1, "", 'a key must be text (try "name":)'), id="a-list-as-key"),
        pytest.param("", (None, "", "the file is empty"), id="empty"),
        pytest.param(
            "a: &x [1]\nb: *x", (2, "b", "aliases (*name) are not used here (write the value out)"), id="alias"
        ),
        pytest.param("a: &x [*x]", (1, "a[0]", "aliases (*name) are not used here (write the value out)"), id="cycle"),
        pytest.param(b"a: \xff", (None, "", "is not UTF-8 text (save it as UTF-8)"), id="not-utf-8"),
        pytest.param('a: "\\ud800"', (1, "a", "holds half of a surrogate pair, which is not text"), id="surrogate"),
        pytest.param("[" * 5_000, (None, "", "is nested too deeply"), id="deep-nesting"),
    ],
)
def test_what_is_wrong_with_a_form_is_said_with_its_line(read, text, expected):
    assert problems(read(text)) == [expected]


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!!binary", "!!set", "!own", "!!timestamp"]
)
def test_no_tag_makes_an_object(read, tag):
    document = read(f"a: {tag} x")
    assert document.tree in ({"a": "x"}, None)
    assert "not used here" in document.problems[0].text


def test_a_tag_on_a_mapping_or_list_is_refused_too(read):
    assert [path for _, path, _ in problems(read("a: !x {}\nb: !y []\nc: !!python/tuple [1]"))] == ["a", "b", "c"]


def test_a_number_with_too_many_digits_is_a_problem_and_no_crash(read):
    assert "is not a number that fits" in read("a: " + "9" * 5_000).problems[0].text


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\t- x", "a: 'x", "%YAML 9", "a: 1\n---\nb: 2", "a: \x00"])
def test_broken_yaml_is_a_problem(read, text):
    assert "is not YAML" in read(text).problems[0].text


def test_a_missing_file_and_a_folder_are_problems(tmp_path):
    assert problems(read_document(tmp_path / "none.yaml")) == [(None, "", "there is no such file")]
    assert "cannot be read" in read_document(tmp_path).problems[0].text


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "file.yaml"
    path.write_bytes(content)
    read_document(path)
