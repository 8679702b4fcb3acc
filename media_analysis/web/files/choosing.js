// Choosing files on this page, or all that match its address, and what is done with them.
import { bindMany } from "./many.js";
import { API, ask, Problem } from "../layout/api.js";
import { tell } from "../layout/notices.js";
import { count, size } from "../layout/writing.js";

const bar = document.getElementById("choice");
const boxes = [...document.querySelectorAll("input.choose")];
const all = document.getElementById("choose-all");
const matching = document.getElementById("choose-matching");
let matched = null;

// What an address says is not to be cluttered with what nobody filled in.
document.getElementById("filter").addEventListener("formdata", ({ formData }) => {
  const given = [...formData].filter(([, value]) => value !== "");
  for (const name of new Set(formData.keys())) formData.delete(name);
  for (const [name, value] of given) formData.append(name, value);
});

function chosen() {
  return boxes.filter((box) => box.checked).map((box) => ({
    id: box.value, name: box.dataset.name, bytes: Number(box.dataset.size),
  }));
}

function told() {
  const files = chosen();
  const amount = matched ?? { files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0) };
  return { ...amount, text: `${count(amount.files, "file")}, ${size(amount.bytes)}` };
}

function update() {
  const files = chosen();
  all.checked = files.length === boxes.length;
  all.indeterminate = files.length > 0 && !all.checked;
  bar.hidden = files.length === 0;
  document.getElementById("chosen").textContent = `${told().text}${matched ? " that match" : " chosen"}`;
}

async function chooseMatching() {
  const filters = new URLSearchParams(bar.dataset.filters);
  const dry = new URLSearchParams([...filters, ["dry_run", "true"], ["derived", "keep"]]);
  if ("trash" in bar.dataset) dry.append("strategy", "hard");
  try {
    const found = await ask("DELETE", `${API}/files?${dry}`);
    matched = { files: found.matched.files, bytes: found.matched.size_bytes };
    for (const box of boxes) box.checked = true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    tell(error.message);
  }
  update();
}

if (bar !== null) {
  for (const box of boxes) box.addEventListener("change", () => { matched = null; update(); });
  all.addEventListener("change", () => {
    matched = null;
    for (const box of boxes) box.checked = all.checked;
    update();
  });
  document.getElementById("choose-none").addEventListener("click", () => {
    matched = null;
    for (const box of boxes) box.checked = false;
    update();
  });
  matching?.addEventListener("click", chooseMatching);
  bindMany(bar, () => ({ ...told(), chosen: chosen(), filters: matched ? bar.dataset.filters : null }));
  update();
}
