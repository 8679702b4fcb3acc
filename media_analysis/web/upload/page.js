// Dropping files and folders, and what is said of all of them.
import { Problem } from "../layout/api.js";
import { tell, tellNext } from "../layout/notices.js";
import { Queue } from "./queue.js";
import { giveUp, metadataOf } from "./tus.js";

const LONGEST_NAME = 255;
const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const labels = document.getElementById("labels");
const queue = new Queue(form.dataset.owner, new URL("files", location.href).pathname);

// Returns what is said of each file, or null where the labels are none.
function said() {
  const parts = labels.value.split(",").map((part) => part.trim()).filter(Boolean);
  const error = document.getElementById("labels-error");
  const isWrong = parts.some((part) => !/^[^:]+:.+$/.test(part));
  error.hidden = !isWrong;
  error.textContent = isWrong ? "A label is a key, a colon and a value, such as camera:north." : "";
  labels.setAttribute("aria-invalid", String(isWrong));
  if (isWrong) {
    labels.focus();
    return null;
  }
  const pairs = Object.fromEntries(parts.map((part) => [part.slice(0, part.indexOf(":")).trim(), part.slice(part.indexOf(":") + 1).trim()]));
  const life = form.elements.ttl_seconds.value;
  return {
    category: form.elements.category.value,
    ttl_seconds: life === "never" ? "" : life,
    expires_at: life === "never" ? "never" : "",
    labels: parts.length ? JSON.stringify(pairs) : "",
  };
}

// A file from a folder keeps its way there as its name, where that is not too long.
function add(files) {
  const about = said();
  if (about === null || files.length === 0) return;
  queue.add(files.map(({ file, path }) => {
    const name = path.length <= LONGEST_NAME ? path : file.name.slice(-LONGEST_NAME);
    return { file, name, metadata: metadataOf({ filename: name, filetype: file.type, ...about }) };
  }));
}

for (const id of ["choose-files", "choose-folder"]) {
  document.getElementById(id).addEventListener("change", ({ target }) => {
    add([...target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
    target.value = "";
  });
}

for (const type of ["dragenter", "dragover"]) {
  document.addEventListener(type, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) drop.classList.remove("over");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  // Entries are to be asked for before anything waits: the transfer is empty afterwards.
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...event.dataTransfer.files].map((file) => ({ file, path: file.name }));
  try {
    add(entries.length ? (await Promise.all(entries.map(walk))).flat() : plain);
  } catch (error) {
    tell(`What was dropped cannot be read: ${error.message}`);
  }
});

// Returns the files below an entry; a folder tells its entries some at a time.
async function walk(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await walk(one)));
  }
}

document.getElementById("pause-all").addEventListener("click", ({ currentTarget }) => {
  currentTarget.lastChild.textContent = queue.pauseAll() ? "Go on" : "Pause all";
});
document.getElementById("retry-all").addEventListener("click", () => queue.retryAll());

for (const button of document.querySelectorAll("[data-give-up]")) {
  button.addEventListener("click", async () => {
    try {
      await giveUp(button.dataset.giveUp);
      tellNext("The upload was given up.");
      location.reload();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tell(error.message);
    }
  });
}
