"""Style sheets of panels that share a page: each holds for its own panel."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from dicomnb.widgets.javascript import STATIC, module, style
from dicomnb.widgets.scoping import scoped

WITHIN = ":is(.dicomnb-one, .dicomnb-one *)"


@pytest.mark.parametrize(
    ("sheet", "wanted"),
    [
        (".a { color: red }", f".a{WITHIN} {{ color: red }}"),
        (".a,\n.b > i {}", f".a{WITHIN},\n.b > i{WITHIN} {{}}"),
        (".a :is(p, q):hover{}", f".a :is(p, q):hover{WITHIN}{{}}"),
        ('.a::before { content: "{;}" }', f'.a{WITHIN}::before {{ content: "{{;}}" }}'),
        ("[a=','] {}", f"[a=',']{WITHIN} {{}}"),
        ("/* .a { */ .a { b: url(x/y) }", f"/* .a {{ */ .a{WITHIN} {{ b: url(x/y) }}"),
        (
            "@container (max-width: 9px) { .a {} .b {} }",
            f"@container (max-width: 9px) {{ .a{WITHIN} {{}} .b{WITHIN} {{}} }}",
        ),
        ("@import 'x'; .a {}", f"@import 'x'; .a{WITHIN} {{}}"),
    ],
)
def test_rules_are_bound_to_the_panel(sheet: str, wanted: str) -> None:
    assert scoped(sheet, "one") == wanted


def test_the_common_sheet_is_not_bound() -> None:
    assert style("panel") == (STATIC / "panel.css").read_text()


def test_each_panel_is_named_as_its_sheet_is() -> None:
    panels = [file.stem for file in STATIC.glob("*.js") if "\nexport default " in file.read_text()]
    assert len(panels) >= 3
    for name in panels:
        assert re.search(rf'\nexport default shown\(.*, "{name}"\);', module(name)), name


def test_panels_on_one_page_do_not_dress_each_other(page: Page) -> None:
    sheets = [
        ".dicomnb-body { padding: 1px }",
        scoped(".dicomnb-body { padding: 3px } .dicomnb-state { left: 1px }", "one"),
        ".dicomnb-body { padding: 1px }",  # as the next panel brings it along
        scoped(".dicomnb-state { position: absolute; left: 2px }", "two"),
    ]
    for sheet in sheets:
        page.add_style_tag(content=sheet)
    page.evaluate(
        """() => {
            document.body.innerHTML = ['one', 'two'].map((name) =>
                `<div class="dicomnb-${name}"><div class="dicomnb-body"></div>` +
                '<p class="dicomnb-state" style="position: relative"></p></div>').join('');
        }"""
    )
    found = page.evaluate(
        """() => ['one', 'two'].map((name) => {
            const of = (one) => getComputedStyle(document.querySelector(`.dicomnb-${name} ${one}`));
            return [of('.dicomnb-body').paddingTop, of('.dicomnb-state').left];
        })"""
    )
    assert found == [["3px", "1px"], ["1px", "2px"]]
