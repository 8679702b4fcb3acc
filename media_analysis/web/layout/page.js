// What every screen does once scripts run: forms act, parts that live are kept up to date, a menu closes, and a table that
// is wider than its room is reached by the keyboard, which scrolls it.
import { bindActions } from "./actions.js";
import { follow } from "./live.js";
import { tellLater } from "./notices.js";

document.documentElement.classList.add("has-script");
tellLater();
bindActions(document);
follow();

for (const menu of document.querySelectorAll("details.menu")) {
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

const rooms = new ResizeObserver((found) => {
  for (const { target } of found) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
const observe = (root) => root.querySelectorAll(".scroll:not([tabindex])").forEach((room) => rooms.observe(room));
observe(document);
document.addEventListener("refreshed", (event) => observe(event.target));
