// Parts of a screen that live: `<section id="…" data-live="job.* file.stored">` is asked for again, as a part of its own
// screen, whenever an event of one of these types is told. Whoever writes in it, or has it in focus, is not disturbed
// before they leave it.
// Whose session is not made for events is told of none, and reads what the screen said when it was opened.
// A part with data-whole tells what was known at once: the screen that this names, which takes longer, has all of it.
import { bindActions } from "./actions.js";
import { API } from "./api.js";

const SETTLED_MILLISECONDS = 400;
const UNAUTHENTICATED = 401;

export function follow() {
  if (wholeOf() !== undefined) refresh();
  const types = new Set([...document.querySelectorAll("[data-live]")].flatMap((part) => part.dataset.live.split(" ")));
  if (types.size === 0 || !("told" in document.documentElement.dataset)) return;
  const query = new URLSearchParams([...types].map((type) => ["type", type]));
  const told = new Set();
  let events = null;
  // Where events never stop, as those of progress, what they tell is shown all the same.
  const settle = (event) => {
    if (told.size === 0) setTimeout(() => refresh(takeAll(told)), SETTLED_MILLISECONDS);
    told.add(event.type);
  };
  const listen = () => {
    events = new EventSource(`${API}/events?${query}`);
    for (const type of types) events.addEventListener(type, settle);
    events.addEventListener("error", ({ target }) => {
      if (target.readyState === EventSource.CLOSED) refresh();
    });
  };
  // A browser has six connections to a host: those of screens that nobody looks at would take them from the one in view.
  document.addEventListener("visibilitychange", () => {
    events?.close();
    if (document.visibilityState === "visible") {
      refresh();
      listen();
    }
  });
  addEventListener("pagehide", () => events?.close());
  listen();
}

function wholeOf() {
  return document.querySelector("[data-whole]")?.dataset.whole;
}

function takeAll(told) {
  const types = [...told];
  told.clear();
  return types;
}

const refreshAll = () => refresh();

export async function refresh(types = null) {
  const answer = await fetch(wholeOf() ?? location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer === null || !(answer.ok || answer.status === UNAUTHENTICATED)) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (fresh.documentElement.dataset.told !== document.documentElement.dataset.told) {
    location.reload(); // the session has ended
    return;
  }
  for (const part of document.querySelectorAll("[data-live]")) {
    if (types !== null && !part.dataset.live.split(" ").some((type) => types.includes(type))) continue;
    const next = fresh.getElementById(part.id);
    if (next === null || part.innerHTML === next.innerHTML) continue;
    if (part.contains(document.activeElement)) {
      part.addEventListener("focusout", refreshAll, { once: true });
      continue;
    }
    part.replaceChildren(...next.childNodes);
    bindActions(part);
    part.dispatchEvent(new CustomEvent("refreshed", { bubbles: true }));
  }
}
