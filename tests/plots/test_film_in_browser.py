"""A film in a real browser: it runs at the speed of its frames, and obeys its buttons."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Browser

from dicomnb import plots


@pytest.mark.parametrize("title", ["Echo", "</script><script>window.broken = 1</script>"])
def test_a_film_plays_stops_and_steps(chromium: Browser, title: str) -> None:
    frames = np.stack([np.full((60, 80), 8 * number, np.uint8) for number in range(30)])
    cine = plots.animate(frames, fps=50, title=title)
    page = chromium.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content(f"<!doctype html><body>{cine.html}</body>")
    label = page.locator("output")
    page.wait_for_function("document.querySelector('output').textContent === 'slice 7'")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").wait_for()
    page.locator("input").fill("12")
    assert label.text_content() == "slice 12"
    page.locator(".dicomnb-cine").press("ArrowRight")
    assert label.text_content() == "slice 13"
    grey = page.evaluate(
        """() => {
            const image = document.querySelector("img");
            const canvas = document.createElement("canvas");
            canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return [image.clientWidth, image.clientHeight,
                    ...context.getImageData(5, 5, 1, 1).data];
        }"""
    )
    assert grey[:2] == list(cine.size) == [160, 120]
    assert abs(grey[2] - 8 * 13) <= 2
    page.locator(".dicomnb-cine").press("Space")
    page.wait_for_function("document.querySelector('output').textContent === 'slice 2'")
    assert page.evaluate("window.broken") is None
    assert errors == []
    page.close()


def test_a_film_runs_as_fast_as_its_frames_say(chromium: Browser) -> None:
    """The browser's clock is stopped, and moved on by hand."""
    frames = np.stack([np.full((20, 20), number, np.uint8) for number in range(10)])
    page = chromium.new_page()
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    page.set_content(plots.animate(frames, fps=4).html)
    label = page.locator("output")
    for expected in ("slice 4", "slice 8", "slice 3"):  # a frame lasts 250 ms
        page.clock.run_for(1100)
        assert label.text_content() == expected
    page.close()
