// What every screen does once scripts run: forms act, parts that live are kept up to date, a menu closes.
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
