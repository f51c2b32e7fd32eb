"""The report in a real browser, as a reader meets it: offline, whole, and by participant."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LAPTOP = {"width": 1366, "height": 768}
A4_AT_96_DPI = {"width": 794, "height": 1123}
PEOPLE = ["Chen", "Maria", "Tony"]
# Of each of them, in small.yaml.
RECORDINGS = 2
PICTURE = "img[src*='filename=']:not([src*='logo.svg'])"
DATA_OF = "async e => [...new Uint8Array(await (await fetch(e.src)).arrayBuffer())]"
ARTEFACTS = Path(__file__).parents[1] / "artefacts"


@pytest.fixture(scope="module")
def page(finished) -> Iterator[Page]:
    """The finished report, open; its `asked` are the addresses that it asked for."""
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        pytest.skip(f"no browser to open the report in; install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=LAPTOP)
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((finished / "results" / "report.html").as_uri())
        yield page
        browser.close()


def open_list(page: Page, *path: str) -> None:
    """Go back to the start and follow the names of categories."""
    page.reload()
    for name in path:
        page.get_by_text(name, exact=True).first.click()
    page.locator("nav tbody tr").first.wait_for()


def rows(page: Page) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in page.locator("nav tbody tr").all()]


def look_at(page: Page, row: int) -> str:
    """Show one entry; an AssertionError unless a picture or a table with rows appears."""
    page.locator("nav tbody tr").nth(row).locator("a[iconname=eye]").click()
    page.locator(f"{PICTURE}, iframe").first.wait_for()
    if page.locator(PICTURE).count():
        width, right = page.locator(PICTURE).first.evaluate(
            "e => e.decode().then(() => [e.naturalWidth, e.getBoundingClientRect().right])"
        )
        assert width > 500
        assert right <= page.viewport_size["width"], "the picture runs out of the page"
        return "picture"
    table = page.frame_locator("iframe").locator("table")
    table.wait_for()
    assert table.locator("th").count() > 1
    return "table"


def likeness(page: Page) -> float:
    """How what a reader sees of a picture correlates with the picture's own data."""
    picture = page.locator(PICTURE).first
    with (
        Image.open(io.BytesIO(picture.screenshot())) as shown,
        Image.open(io.BytesIO(bytes(picture.evaluate(DATA_OF)))) as meant,
    ):
        # Browsers draw lines that are thinner than a pixel in their own ways.
        small = [i.convert("L").resize((100, 100), Image.Resampling.BOX) for i in (shown, meant)]
        return np.corrcoef(*map(np.ravel, small))[0, 1]


def everything(page: Page, *path: str) -> dict[str, str]:
    """Look at every entry of a list; returns what each is called and whether it is a picture."""
    open_list(page, *path)
    return {row[-2]: look_at(page, number) for number, row in enumerate(rows(page))}


def test_the_first_page_has_the_answer_before_any_click(page, finished):
    page.reload()
    answer = page.locator("article.answer")
    answer.wait_for()
    assert "never heard?" in answer.locator("h2").inner_text()
    with (finished / "results" / "summary" / "network" / "summary.json").open() as handle:
        mean = json.load(handle)["mean"]["macro_f1"]
    assert answer.locator(".score b").inner_text() == f"{mean:.3f}"
    assert answer.locator("tbody tr").count() == 2
    assert "simulated" in answer.locator(".warnings").inner_text()
    top = answer.bounding_box()
    assert 0 <= top["y"] < 50
    assert top["x"] + top["width"] <= LAPTOP["width"]
    for at in range(2):
        assert (
            answer.locator("img").nth(at).evaluate("e => e.decode().then(() => e.naturalWidth)")
            > 500
        )
    assert page.locator("div#rulegraph").count() == 0
    page.locator(".prose a", has_text="Experiments").click()
    page.locator("nav").get_by_text("network", exact=True).wait_for()


@pytest.mark.parametrize("person", PEOPLE)
def test_each_participants_pictures_are_there_and_only_theirs(page, person):
    assert everything(page, "Participants", person) == {
        **dict.fromkeys(("confusion matrix", "keyboard map"), "picture"),
        "keys": "table",
    }
    assert {row[1] for row in rows(page)} == {person}
    assert {row[0] for row in rows(page)} == {"network", "level-forest"}


def test_experiments_alone_and_side_by_side_are_there(page):
    together = everything(page, "Experiments", "all")
    assert together["participants side by side"] == "picture"
    assert together["differences and what is practically nil"] == "picture"
    assert together["scores"] == together["comparisons named beforehand"] == "table"
    assert together["all differences, to explore"] == "table"
    of_each = {"confusion matrix": "picture", "keyboard map": "picture", "keys": "table"}
    trained = everything(page, "Experiments", "network")
    assert trained.items() >= {**of_each, "learning curves": "picture"}.items()
    assert everything(page, "Experiments", "level-forest").items() >= of_each.items()


@pytest.mark.parametrize("person", PEOPLE)
def test_each_recording_has_its_preview(page, person):
    open_list(page, "Segmentation", person)
    assert {row[0] for row in rows(page)} == {person}
    assert len(rows(page)) == RECORDINGS
    assert {look_at(page, number) for number in range(RECORDINGS)} == {"picture"}


def test_study_segmentation_and_run_are_there(page):
    assert everything(page, "Study")["recordings and files left out, and why"] == "table"
    assert everything(page, "Segmentation", "all") == {
        "every recording": "table",
        "every channel": "table",
        "channels side by side": "picture",
    }
    wanted = ("time and memory of each rule", "configuration", "code revision and package versions")
    assert everything(page, "Run") == dict.fromkeys(wanted, "table")


def test_a_tables_rows_can_be_filtered(page):
    open_list(page, "Segmentation", "all")
    look_at(page, [row[-2] for row in rows(page)].index("every recording"))
    frame = page.frame_locator("iframe")
    everyone = frame.locator("tbody tr:visible").count()
    frame.locator("input").fill("Maria")
    shown = frame.locator("tbody tr:visible").all_inner_texts()
    assert 0 < len(shown) < everyone
    assert all("Maria" in row for row in shown)


def test_nothing_is_fetched_from_a_network(page):
    open_list(page, "Participants", PEOPLE[0])
    assert page.asked
    assert {url.split(":", 1)[0] for url in page.asked} <= {"file", "data", "blob"}


def test_screenshots_are_kept_for_a_person_to_look_at(page):
    ARTEFACTS.mkdir(exist_ok=True)
    for name, size in (("laptop", LAPTOP), ("print", A4_AT_96_DPI)):
        page.set_viewport_size(size)
        for path in (("Participants", "Tony"), ("Segmentation", "Tony"), ("Study",)):
            open_list(page, *path)
            kind = look_at(page, 0)
            if name == "print":
                page.locator("nav h1 a").click()
            target = ARTEFACTS / f"{name}-{path[0].lower()}.png"
            page.screenshot(path=target)
            with Image.open(target) as shot:
                assert shot.size == (size["width"], size["height"])
            assert kind == "table" or likeness(page) > 0.9
    page.set_viewport_size(LAPTOP)
