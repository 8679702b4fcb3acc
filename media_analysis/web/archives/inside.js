// What is inside an archive, shown without restoring it; and how archiving or restoring goes on, asked once a second.
import { API, ask } from "../layout/api.js";
import { size } from "../layout/writing.js";

const READ_BYTES = 65536;
const ASKED_MILLISECONDS = 1000;
const dialog = document.getElementById("look");
const content = document.getElementById("look-content");

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-preview]");
  if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const element = elementOf(link.dataset.preview, link.href, Number(link.dataset.size));
  if (element === null) return; // then it is downloaded
  event.preventDefault();
  document.getElementById("look-name").textContent = link.textContent;
  content.replaceChildren(element);
  dialog.showModal();
});
dialog.addEventListener("close", () => content.replaceChildren());

function elementOf(mediaType, address, bytes) {
  const [type, subtype] = mediaType.split("/");
  if (type === "image" && ["jpeg", "png", "webp", "gif", "avif"].includes(subtype)) return made("img", { src: address, alt: "" });
  if (type === "video" || type === "audio") return made(type, { src: address, controls: true, preload: "metadata" });
  if (type === "text" || /json|xml|yaml/.test(subtype)) {
    const text = made("pre", { textContent: "…", tabIndex: 0 });
    show(text, address, bytes);
    return text;
  }
  return null;
}

async function show(text, address, bytes) {
  try {
    const answer = await fetch(address, { headers: { Range: `bytes=0-${READ_BYTES - 1}` } });
    const rest = bytes > READ_BYTES ? `\n… ${size(bytes - READ_BYTES)} more` : "";
    text.textContent = answer.ok ? (await answer.text()) + rest : bytes === 0 ? "It is empty." : "It cannot be read now.";
  } catch {
    text.textContent = "The service cannot be reached.";
  }
}

function made(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

const state = document.getElementById("state");

async function follow() {
  const told = await ask("GET", `${API}/jobs/${state.dataset.job}/archive?limit=1`).catch(() => null);
  if (told !== null && !["pending", "running"].includes(told.task?.status)) {
    location.reload();
    return;
  }
  const bar = state.querySelector("progress");
  if (told !== null && bar !== null) {
    const { progress, stage, done_bytes: done, total_bytes: total } = told.task;
    bar.value = progress;
    bar.nextElementSibling.textContent = `${(stage ?? "waiting").replaceAll("_", " ")} · ${size(done)} of ${size(total)}`;
  }
  setTimeout(follow, ASKED_MILLISECONDS);
}

if ("open" in state.dataset) follow();
