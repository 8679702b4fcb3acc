// What a deletion would take is asked before it is offered, and a new link is shown once.
import { ask, Problem } from "../layout/api.js";
import { count, instant, size } from "../layout/writing.js";

const would = document.getElementById("would-go");
if (would !== null) {
  const derived = document.getElementById("delete-derived");
  const form = derived.form;
  const preview = async () => {
    form.elements.derived.value = derived.checked ? "take" : "keep";
    would.textContent = await sentence(form.elements.derived.value);
  };
  document.querySelector('[data-opens="act-delete"]').addEventListener("click", preview);
  derived.addEventListener("change", preview);
}

async function sentence(derived) {
  try {
    const told = await ask("DELETE", `${would.dataset.address}?dry_run=true&derived=${derived}`);
    if (told.obstacles.length > 0) {
      const [first] = told.obstacles;
      return `It would be refused now: ${count(first.files, "file")} made of it ${first.files === 1 ? "is" : "are"} kept by ${first.rule.replaceAll("_", " ")}.`;
    }
    const others = [
      told.derived.files ? `${count(told.derived.files, "file")} made of it (${size(told.derived.size_bytes)})` : "",
      told.results ? count(told.results, "result") : "",
    ].filter(Boolean).join(" and ");
    const undone = told.restorable_until === null
      ? "for good, which cannot be undone" : `into the trash, to be restored until ${instant(told.restorable_until)}`;
    return `It goes (${size(told.size_bytes)})${others ? `, and with it ${others}` : ""}, ${undone}.`;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `It would be refused now: ${error.message}`;
  }
}

const url = document.getElementById("link-url");
url?.form.addEventListener("acted", (event) => {
  event.preventDefault();
  url.value = event.detail.url;
  url.closest("p").hidden = false;
  url.focus();
  url.select();
});
