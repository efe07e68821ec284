import pytest

from stream.settings.references import resolve_references
from stream.settings.yaml_file import Document

ENV = {"USER": "ada", "EMPTY": "", "TRICKY": "${env:USER}", "BROKEN": "a\udcff"}


@pytest.fixture
def resolve(tmp_path):
    """Resolve a document whose whole content is `tree`."""

    def resolve_tree(tree):
        document = Document(tmp_path / "tracker.yaml", tree)
        resolve_references(document, ENV)
        return document

    return resolve_tree


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param("${env:USER}", "ada", id="a-whole-value"),
        pytest.param("redis://${env:USER}@host", "redis://ada@host", id="inside-text"),
        pytest.param("${env:EMPTY}", "", id="set-but-empty-is-set"),
        pytest.param("${env:TRICKY}", "${env:USER}", id="a-value-is-not-read-again"),
        pytest.param("costs $5", "costs $5", id="a-dollar-alone-is-a-dollar"),
    ],
)
def test_a_reference_becomes_its_value(resolve, written, value):
    document = resolve({"list": [{"key": written}], "number": 3})
    assert document.tree == {"list": [{"key": value}], "number": 3}
    assert document.problems == []


def test_bytes_of_the_environment_that_are_no_text_are_named_and_not_shown(resolve):
    (problem,) = resolve({"list": [{"key": "x${env:BROKEN}"}]}).problems
    assert (problem.path, problem.text) == ("list[0].key", "is not text in UTF-8 (give another one)")


@pytest.mark.parametrize(
    ("content", "value"),
    [("secret\n", "secret"), ("secret\r\n", "secret"), ("a\nb\n\n", "a\nb\n"), ("", ""), (" x ", " x ")],
)
def test_a_file_is_taken_without_its_last_line_end(resolve, tmp_path, content, value):
    (tmp_path / "secret").write_bytes(content.encode())
    assert resolve({"a": "${file:secret}", "b": f"${{file:{tmp_path}/secret}}"}).tree == {"a": value, "b": value}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("${env:NONE}", "the environment variable NONE is not set (set it)"),
        ("${USER}", '"${USER}" is no reference (try "${env:USER}" or "${file:path}")'),
        ("${env:}", '"${env:}" is no reference (try "${env:env:}" or "${file:path}")'),
        ("${}", '"${}" is no reference (try "${env:NAME}" or "${file:path}")'),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_problem(resolve, written, text):
    (problem,) = resolve({"kafka": {"password": written}}).problems
    assert (problem.path, problem.text) == ("kafka.password", text)


def test_a_secret_file_that_is_missing_or_no_text_is_a_problem(resolve, tmp_path):
    (tmp_path / "raw").write_bytes(b"\xff")
    missing, raw = resolve({"a": "${file:none}", "b": "${file:raw}"}).problems
    assert "No such file" in missing.text
    assert "not UTF-8 text" in raw.text


def test_two_missing_variables_in_one_text_are_both_named(resolve):
    texts = [problem.text for problem in resolve({"a": "${env:ONE}:${env:TWO}"}).problems]
    assert len(texts) == 2
    assert "ONE" in texts[0]
    assert "TWO" in texts[1]


def test_nothing_more_is_said_about_a_value_that_could_not_be_had(resolve):
    document = resolve({"a": "${env:NONE}"})
    document.report(("a",), "is empty")
    assert len(document.problems) == 1
