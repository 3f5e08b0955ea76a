"""First page, quiz and index of figures as they were built."""

import re

import pytest

QUIZ = "book/quiz.html"
CAPTION = '<span class="caption-number">Fig. '
NUMBER = r"(?:off by|too large by|\|z\| =) \d"


def links(page):
    return [a["href"] for a in page.all("a") if a.get("href")]


def test_the_first_page_leads_to_every_chapter_from_its_map(site, pages):
    page = pages[site / "book/index.html"]
    drawn = page.text.split('<figure aria-label="Map of the argument"')[1].split("</figure>")[0]
    chapters = {path.name for path in pages if re.match(r"\d\d_", path.name)}
    assert set(re.findall(r'href="([^"#]+)"', drawn)) == chapters
    assert drawn.index("<ol") < drawn.index("Equilibrium") < drawn.index("Diagnostics")


def test_the_index_lists_every_numbered_figure_and_every_explorable(site, pages):
    listed = set(links(pages[site / "book/figures.html"]))
    wanted = set()
    for path, page in pages.items():
        with_caption = re.findall(r'href="#([^"]+)" title="Link to this image"', page.text)
        assert len(with_caption) == page.text.count(CAPTION), path
        moving = [a["id"] for a in page.all("figure") if a.get("id", "").startswith("explorable-")]
        wanted |= {f"{path.name}#{name}" for name in [*with_caption, *moving]}
    assert len(wanted) > 60
    assert wanted <= listed


def test_every_question_shows_what_was_measured(site, pages):
    questions = pages[site / QUIZ].text.split('class="klrl-quiz docutils container"')[1:]
    assert len(questions) >= 16
    for question in questions:
        assert question.count("<summary>") == 3
        assert question.count("klrl-quiz-right") == 1
        answer = question.split("klrl-quiz-right")[1].split("</details>")[0]
        assert re.search(r"#claim-[A-Z]\d*-?\d+", answer), answer[:300]
        said = re.sub(r"<[^>]*>", "", answer)
        assert len(re.findall(rf"{NUMBER}|infinitely far off", said)) >= 2, said[:300]


@pytest.mark.browser
def test_the_quiz_needs_a_keyboard_and_no_script(browser, site):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((site / QUIZ).as_uri())
    folds = page.locator(".klrl-quiz").first.locator("details")
    assert [folds.nth(i).get_attribute("open") for i in range(3)] == [None] * 3
    folds.nth(0).locator("summary").focus()
    page.keyboard.press("Enter")
    assert folds.nth(0).get_attribute("open") is not None
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert folds.nth(1).get_attribute("open") is not None
    context.close()
