// A draft is looked at as it is written: its address says it, and what it would do is asked for, and shown below.
import { bindActions } from "../layout/actions.js";

const SETTLED_MILLISECONDS = 500;
const form = document.getElementById("draft");
const preview = document.getElementById("preview");
let waiting = 0;
let asking = null;

function changes() {
  const changed = [...form.elements].filter((field) => field.name && field.value.trim() !== field.dataset.was);
  for (const field of form.elements) field.classList.toggle("changed", changed.includes(field));
  return new URLSearchParams(changed.map((field) => [field.name, field.value.trim()]));
}

async function look(query) {
  asking?.abort();
  asking = new AbortController();
  preview.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(`${form.dataset.preview}?${query}`, {
      headers: { Accept: "text/html" },
      signal: asking.signal,
    });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("preview") ?? page.getElementById("main");
    preview.replaceChildren(...found.childNodes);
    bindActions(preview);
    preview.removeAttribute("aria-busy");
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const query = changes().toString();
    history.replaceState(null, "", query ? `${form.action}?${query}` : form.action);
    if (query) look(query);
    else preview.replaceChildren();
  }, SETTLED_MILLISECONDS);
});
form.addEventListener("submit", (event) => event.preventDefault());
if (preview.dataset.draft) look(preview.dataset.draft);
