// The progress of one job, by its own stream: what each event tells is shown at once, and how it ended on a fresh screen.
import { API } from "../layout/api.js";
import { refresh } from "../layout/live.js";

const state = document.getElementById("state");
const events = new EventSource(`${API}/jobs/${state.dataset.job}/events`);

events.addEventListener("progress", (event) => {
  const told = JSON.parse(event.data);
  const bar = state.querySelector("progress");
  if (bar === null) return;
  bar.value = told.progress;
  const count = told.total ? ` ${told.done ?? 0} of ${told.total}` : "";
  const stage = told.stage ? ` · ${told.stage.replaceAll("_", " ")}${count}` : "";
  bar.nextElementSibling.textContent = `${Math.round(100 * told.progress)} %${stage}`;
});
events.addEventListener("status", (event) => {
  refresh();
  if (["completed", "failed", "cancelled"].includes(JSON.parse(event.data).status)) events.close();
});
addEventListener("pagehide", () => events.close());
