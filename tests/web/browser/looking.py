"""What is looked for on a screen: barriers, room, and where the keyboard leads."""

from collections.abc import Sequence
from typing import Final

from tests.web.browser.stock import ELEMENT
from tests.web.browser.visitor import Visitor

NARROW: Final = 360
WIDE: Final = 3840
ROUNDS, PARTS = 6, 10
"""Fields of dates have parts of their own, which the keyboard comes by."""
BARRIERS: Final = """async (rules) => {
    const asked = {resultTypes: ["violations"], preload: false, iframes: false};
    if (rules) asked.runOnly = {type: "rule", values: rules};
    const serious = async (where) => (await axe.run(where, asked)).violations
        .filter((one) => ["serious", "critical"].includes(one.impact))
        .map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`);
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    await new Promise((settled) => requestAnimationFrame(() => setTimeout(settled)));
    const found = await serious(document);
    for (const dialog of document.querySelectorAll("dialog")) {
        dialog.showModal();
        found.push(...await serious(dialog));
        dialog.close();
    }
    return found;
}"""
OVERFLOWING: Final = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const wide = [...document.querySelectorAll("body *")]
        .filter((one) => one.getBoundingClientRect().right > width + 1);
    return ["" + document.documentElement.scrollWidth, ...wide.slice(0, 4).map((one) => one.outerHTML.slice(0, 160))];
}"""
WEIGHT: Final = """() => performance.getEntries()
    .filter((one) => one.entryType === "navigation" || /\\.(js|css|svg)$/.test(one.name))
    .reduce((sum, one) => sum + one.encodedBodySize, 0)"""
MOST_BYTES: Final = 60 * 1024
LISTEN: Final = """() => {
    const can = "a[href], button, input, select, textarea, summary, video[controls], audio[controls], [tabindex]";
    const groups = new Set();
    window.wanted = new Set([...document.querySelectorAll(can)].filter((one) => {
        if (one.type === "radio" && (groups.has(one.name) || !groups.add(one.name))) return false;
        return one.tabIndex >= 0 && !one.disabled && one.checkVisibility({visibilityProperty: true});
    }));
    window.unseen = [];
    document.addEventListener("focusin", ({target}) => {
        const style = getComputedStyle(target), box = target.getBoundingClientRect();
        const isDrawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
        const isSeen = isDrawn && box.width && box.right > 0;
        if (window.wanted.delete(target) && !isSeen) window.unseen.push(target.outerHTML.slice(0, 160));
    });
    return window.wanted.size;
}"""
REACHED: Final = "() => ({left: [...window.wanted].map((one) => one.outerHTML.slice(0, 160)), unseen: window.unseen})"


async def barriers(visitor: Visitor, axe: str, rules: Sequence[str] | None = None) -> list[str]:
    """Return the serious and critical findings of axe, in what is folded and in dialogs too."""
    if not await visitor.evaluate("() => 'axe' in window"):
        await visitor.evaluate(f"() => {{ {axe} }}")
    found: list[str] = await visitor.evaluate(BARRIERS, rules)
    return found


async def findings(visitor: Visitor, axe: str) -> list[str]:
    """Return what is wrong with the screen that is shown, in the light, in the dark, and on small and large windows."""
    found = await barriers(visitor, axe) + await too_heavy(visitor)
    await visitor.page.emulate_media(color_scheme="dark")
    found += await barriers(visitor, axe, ["color-contrast"])
    await visitor.page.emulate_media(color_scheme="light")
    found += await overflowing(visitor, NARROW)
    found += await barriers(visitor, axe, ["scrollable-region-focusable"])
    return found + await overflowing(visitor, WIDE)


async def too_heavy(visitor: Visitor) -> list[str]:
    """Return how much came over the wire for this screen with its styles and scripts, if that is too much."""
    weight = await visitor.evaluate(WEIGHT)
    assert weight > 1024
    return [f"it weighs {weight} bytes"] if weight > MOST_BYTES else []


async def overflowing(visitor: Visitor, width: int) -> list[str]:
    """Return what reaches out of the window at this width."""
    await visitor.resize(width)
    found: list[str] = await visitor.evaluate(OVERFLOWING)
    return found


async def unreachable(visitor: Visitor) -> list[str]:
    """Press Tab until everything had the focus; return what never had it, and what had it unseen."""
    number = await visitor.evaluate(LISTEN)
    for _ in range(ROUNDS):
        for _ in range(number):
            await visitor.page.keyboard.press("Tab")
        found: dict[str, list[str]] = await visitor.evaluate(REACHED)
        if not found["left"]:
            break
        number = PARTS
    return [f"Tab does not reach {one}" for one in found["left"]] + [
        f"focus is not seen on {one}" for one in found["unseen"]
    ]


async def become_markup(visitor: Visitor) -> list[str]:
    """Return the elements that names have become."""
    return list(await visitor.texts(f"{ELEMENT}, img[src='x']"))
