"""First page, quiz, references, citation as they are written: complete, true to the claims."""

import re
import tomllib

import pytest

from klrl_lite import claims

#: What an answer of the quiz says about its claim.
VERDICTS = {
    "true": "holds",
    "false": "false as stated",
    "only-if": "holds with a condition",
}
QUESTION = re.compile(r"^:::\{quiz\} (\S+) (\S+)\n(.*?)^:::$", re.MULTILINE | re.DOTALL)
PATHS = ("You train language models", "You know reinforcement learning")
PATHS += ("You know statistical physics",)


@pytest.fixture(scope="module")
def chapters(root):
    """Chapters, as the table of contents names them."""
    yaml = pytest.importorskip("yaml")
    parts = yaml.safe_load((root / "_toc.yml").read_text())["parts"]
    names = [c["file"].removeprefix("book/") for part in parts for c in part["chapters"]]
    return {n for n in names if re.match(r"\d\d_", n)}


@pytest.fixture(scope="module")
def first_page(root):
    return (root / "book" / "index.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def quiz(root):
    return QUESTION.findall((root / "book" / "quiz.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def entries(root):
    return claims.load(root / "book" / "claims.yml")


def test_the_map_has_every_chapter_once(first_page, chapters):
    yaml = pytest.importorskip("yaml")
    drawn = re.search(r"```\{argument-map\}\n(.*?)```", first_page, re.DOTALL)[1]
    named = [n for stage in yaml.safe_load(drawn)["stages"] for n in stage["chapters"]]
    assert len(named) == len(set(named))
    assert set(named) == chapters


@pytest.mark.parametrize("reader", PATHS)
def test_each_path_passes_through_every_chapter_once(first_page, chapters, reader):
    path = re.search(rf"^### {reader}\n(.*?)(?=^##|\Z)", first_page, re.DOTALL | re.MULTILINE)[1]
    named = re.findall(r"<(\d\d_\w+)>", path)
    assert sorted(named) == sorted(chapters)


def test_the_quiz_asks_enough_and_each_claim_once(quiz):
    assert len(quiz) >= 16
    names = [name for name, _, _ in quiz]
    assert len(set(names)) == len(names)
    assert {answer for _, answer, _ in quiz} == VERDICTS.keys()


def test_the_quiz_answers_what_the_verdicts_say(quiz, entries):
    for name, answer, _ in quiz:
        assert name in entries
        assert entries[name]["verdict"] == VERDICTS[answer], name


def test_the_quiz_types_no_measured_number(quiz):
    """Errors are filled in by the build; a number with a point or a power is one that was typed."""
    for name, _, text in quiz:
        assert "\n---\n" in text, name
        assert re.findall(r"\d\.\d|10\^|\de-?\d|per cent|%", text) == [], name


def test_every_reference_can_be_found(root):
    text = (root / "book" / "references.bib").read_text(encoding="utf-8")
    entries = re.findall(r"^@(\w+)\{([^,]+),(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    assert len(entries) == len(re.findall(r"^@", text, re.MULTILINE)) > 50
    keys = [key for _, key, _ in entries]
    assert len(set(keys)) == len(keys)
    for kind, key, body in entries:
        where = dict(re.findall(r"^\s*(doi|eprint|url)\s*=\s*\{(.+)\},?$", body, re.MULTILINE))
        assert where or kind in ("book", "incollection"), key
        assert re.fullmatch(r"10\.\d{4,9}/\S+", where.get("doi", "10.1000/x")), key
        new, old = r"\d{4}\.\d{4,5}(v\d+)?", r"[a-z-]+/\d{7}"
        assert re.fullmatch(f"{new}|{old}", where.get("eprint", "2000.00000")), key
        assert where.get("url", "https://").startswith(("https://", "http://")), key
        assert "arXiv:" not in body, f"{key}: an arXiv number belongs into eprint"
        assert ("eprint" in where) == ("archiveprefix = {arXiv}" in body), key


def test_title_and_edition_are_the_same_everywhere(root):
    yaml = pytest.importorskip("yaml")
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    title = yaml.safe_load((root / "_config.yml").read_text())["title"]
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    page = (root / "book" / "cite.md").read_text(encoding="utf-8")
    assert citation["version"] == citation["preferred-citation"]["edition"] == version
    assert title in citation["preferred-citation"]["title"]
    assert f"edition   = {{{version}}}" in page
    assert f"edition {version}" in page
    assert title in re.sub(r"[{}]", "", page)
