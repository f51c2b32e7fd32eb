"""The page of `listen --view`: what it shows in a real browser, and whom it answers."""

import http.client
import json
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD
from tap2key.listening.live_taps import LiveTap
from tap2key.listening.view import HOST, View
from tap2key.listening.view_layout import view_layout
from tap2key.reading.transcript import NamedTap
from tap2key.study.keyboard import load_keyboard, usual_text

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREENS = {
    "laptop": {"width": 1366, "height": 768},
    "projector": {"width": 1920, "height": 1080},
    "old projector": {"width": 1024, "height": 768},
}
ARTEFACTS = Path(__file__).parents[2] / "artefacts"
LABELS = load_keyboard(KEYBOARD).labels
FORBIDDEN = 403
# Of lines of text: how many begin above their box, and by how many pixels the box cuts one in two.
LINES_ABOVE = """box => {
  const top = box.getBoundingClientRect().top + box.clientTop;
  const line = parseFloat(getComputedStyle(box).lineHeight);
  const above = top - box.firstChild.getBoundingClientRect().top;
  return [Math.round(above / line), above - line * Math.round(above / line)];
}"""
LOUDEST = np.array([0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.9, 1.0])


class Models:
    """Of an ensemble what a layout needs."""

    labels = LABELS

    class array:
        channels, ignore = 8, (7,)


@pytest.fixture
def view():
    about = view_layout(Models, None, usual_text, "a <b>card</b>")
    with closing(View(0, about)) as made:
        yield made


def tap(key, sure, at_s=1.0):
    probabilities = np.full(len(LABELS), (1 - sure) / (len(LABELS) - 1))
    probabilities[LABELS.index(key)] = sure
    return LiveTap(NamedTap(at_s, key, sure), probabilities)


def answer(view, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection(HOST, view.port, timeout=10)
    cookie = {"Cookie": f"{view.cookie}={token(view)}"}
    connection.request(method, path, headers={**cookie, **headers})
    return connection.getresponse()


def token(view):
    return view.address.split("?token=")[1]


def first_event(response):
    line = response.readline().decode()
    assert line.startswith("data: ")
    return json.loads(line.removeprefix("data: "))


def test_only_its_own_page_is_answered(view):
    own = f"{HOST}:{view.port}"
    page = answer(view)
    assert page.status == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in page.headers
    assert answer(view, Origin=f"http://{own}").status == 200
    assert answer(view, Host=f"localhost:{view.port}").status == 200
    for path in ("/", "/events"):
        for headers in (
            {"Host": "example.org"},
            {"Host": f"example.org:{view.port}"},
            {"Host": HOST},
            {"Origin": "https://example.org"},
            {"Origin": "null"},
            {"Origin": f"https://{own}"},
            {"Origin": f"http://{HOST}:{view.port + 1}"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            assert answer(view, path, **headers).status == FORBIDDEN, headers
    for path in ("/view.html", "/view.py", "/../view.py", "/%2e%2e/view.py", "/etc/passwd"):
        assert answer(view, path).status == 404, path
    assert answer(view, method="POST").status == 405
    assert view._runner.addresses == [(HOST, view.port)]


def test_who_does_not_have_the_address_sees_nothing(view):
    others = ("", "no", "é", f"{token(view)}x", token(view)[:-1])
    for path in ("/", "/events", "/view.html"):
        for cookie in ("", *(f"{view.cookie}={each}".encode() for each in others)):
            assert answer(view, path, Cookie=cookie).status == FORBIDDEN, (path, cookie)
        for each in ("", "no", "%C3%A9", "%FF"):
            assert answer(view, f"{path}?token={each}", Cookie="").status == FORBIDDEN
    assert answer(view, Cookie=f"tap2key={token(view)}").status == FORBIDDEN
    assert answer(view, f"/?token={token(view)}", Cookie="", Host="a.org").status == FORBIDDEN
    with_it = answer(view, f"/?token={token(view)}", Cookie="")
    assert (with_it.status, with_it.headers["Location"]) == (303, "/")
    given, *how = with_it.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict"} <= set(how)
    assert answer(view, Cookie=given).status == 200
    assert first_event(answer(view, "/events", Cookie=given))["ended"] is False
    assert len(token(view)) >= 20


def test_events_tell_all_that_is_known_to_whoever_comes_late(view):
    view.levels(np.array([0, 0.1]), 3.25)
    view.tap(tap("a", 0.9), 1.5, "a")
    view.tap(tap("|", 0.4), 2.5, "a\n")
    view.lost(3.0, "0.500 s")
    state = first_event(answer(view, "/events"))
    assert state["levels_db"] == [-120.0, -20.0]
    assert (state["at_s"], state["text"], state["ended"]) == (3.25, "a\n", False)
    assert [(one["key"], one["at_s"]) for one in state["taps"]] == [("|", 2.5), ("a", 1.5)]
    assert state["probabilities"][LABELS.index("|")] == 0.4
    assert state["lost"] == ["0.500 s lost at 3.0 s"]
    assert state["about"]["caps"][LABELS.index("_1")] == "␣"


def test_a_port_that_is_taken_is_one_line(view):
    with pytest.raises(Tap2keyError, match=f"--view {view.port}: cannot be served"):
        View(view.port, {})


def test_a_model_of_other_keys_is_shown_without_a_map():
    class Others(Models):
        labels = ("hum", "click")

    about = view_layout(Others, None, lambda key: key, "x")
    assert (about["keys"], about["caps"]) == ([], ["hum", "click"])


def test_the_page_in_a_browser(view):
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser to open the page in; install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=SCREENS["laptop"])
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(view.address)
        # What is projected does not say how to watch.
        assert page.url == f"http://{HOST}:{view.port}/"
        view.levels(LOUDEST, 12.3)
        text = "the quick brown fox jumps over the lazy dog\n" * 9
        for number, key in enumerate("lazydo"):
            view.tap(tap(key, 0.7, number), number, text[:-2])
        view.tap(tap("g", 0.8, 6), 12.0, text[:-1])
        page.locator("#taps tr").nth(6).wait_for()
        assert page.locator("#source").inner_text() == "a <b>card</b> · 8 microphones"
        best = page.locator(".key.best")
        assert best.count() == 1
        assert best.inner_text().split() == ["g", "80", "%"]
        shares = page.locator(".key").evaluate_all(
            "all => all.map(e => +e.style.getPropertyValue('--p'))"
        )
        assert max(shares) == 0.8 and sum(share > 0.5 for share in shares) == 1
        assert page.locator("#text p").inner_text().endswith("the lazy dog")
        assert page.locator(".level").count() == 8
        assert page.locator(".level.off").count() == 1
        levels = page.locator(".level span:last-child").all_inner_texts()
        assert levels == ["–", "-60", "-40", "-26", "-20", "-12", "-1", "0"]
        place = {
            key: page.locator(f".key[data-label='{key}']").first.bounding_box()
            for key in ("q", "p", "a", "_1", "_6")
        }
        assert place["q"]["x"] < place["p"]["x"] and place["q"]["y"] < place["a"]["y"]
        assert place["a"]["y"] < place["_1"]["y"] and place["_1"]["x"] < place["_6"]["x"]
        ARTEFACTS.mkdir(exist_ok=True)
        for name, size in SCREENS.items():
            page.set_viewport_size(size)
            page.screenshot(path=ARTEFACTS / f"listening on a {name}.png")
            for part in ("#text", "#keys", "#levels", "#taps"):
                box = page.locator(part).bounding_box()
                assert box["x"] >= 0 and box["x"] + box["width"] <= size["width"], (name, part)
                assert box["y"] + box["height"] <= size["height"], (name, part)
            hidden, cut = page.locator("#text").evaluate(LINES_ABOVE)
            assert hidden > 0 and abs(cut) < 1, (name, cut)
        view.lost(12.5, "0.100 s")
        page.get_by_text("0.100 s lost at 12.5 s").wait_for()
        view._change(ended=True)
        page.get_by_text("ended", exact=True).wait_for()
        assert said == []
        browser.close()
