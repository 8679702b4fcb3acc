// One act on many files: what it would do is told first, then the API is asked file by file, a few at a time, and says
// of each that stays why. A deletion of all that match is one request.
import { read } from "../layout/actions.js";
import { API, ask, Problem } from "../layout/api.js";
import { tellNext } from "../layout/notices.js";
import { count, instant, size } from "../layout/writing.js";

const AT_ONCE = 4;
const MOST_SHOWN = 50;

// `told` returns what is chosen: the files, how many and how many bytes, and the filters where all that match are meant.
export function bindMany(bar, told) {
  for (const button of bar.querySelectorAll("[data-many]")) {
    const dialog = document.getElementById(`many-${button.dataset.many}`);
    const form = dialog.querySelector("form");
    const preview = () => tellAmount(form, told(), "trash" in bar.dataset);
    button.addEventListener("click", () => {
      dialog.showModal();
      preview();
    });
    form.querySelector("[data-dismiss]").addEventListener("click", () => dialog.close());
    form.elements.derived?.addEventListener("change", preview);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(form, told(), "trash" in bar.dataset);
    });
  }
}

// Does what `act` does with each item, a few at a time, and returns what was thrown, by item.
export async function each(items, act, moved) {
  const refused = [];
  const waiting = [...items];
  let done = 0;
  const work = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      try {
        await act(item);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        refused.push([item, error]);
      }
      moved((done += 1));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return refused;
}

async function tellAmount(form, wanted, isTrash) {
  const amount = form.querySelector(".amount");
  amount.textContent = `${wanted.text}.`;
  showRefused(form, []);
  if (form.dataset.method !== "DELETE") return;
  amount.textContent = "Counting what goes…";
  const query = deletion(form, isTrash, true);
  try {
    amount.textContent = wanted.filters === null
      ? await previewChosen(form, wanted, query) : await previewMatching(form, wanted, query);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    amount.textContent = error.message;
  }
}

async function previewChosen(form, { chosen }, query) {
  const sum = { files: 0, bytes: 0, made: 0, madeBytes: 0, results: 0 };
  let until = null;
  const refused = await each(chosen, async (file) => {
    const told = await ask("DELETE", `${API}/files/${file.id}?${query}`);
    if (told.obstacles.length > 0) throw new Problem({ detail: `kept by ${told.obstacles[0].rule.replaceAll("_", " ")}` }, 409);
    sum.files += 1;
    sum.bytes += told.size_bytes;
    sum.made += told.derived.files;
    sum.madeBytes += told.derived.size_bytes;
    sum.results += told.results;
    until = told.restorable_until ?? until;
  }, () => {});
  showRefused(form, refused);
  return sentence(sum, until, refused.length);
}

async function previewMatching(form, { filters }, query) {
  const told = await ask("DELETE", `${API}/files?${filters}&${query}`);
  const confirm = document.getElementById("delete-confirm");
  confirm.closest(".field").hidden = told.needs === null;
  form.dataset.needs = told.needs ?? "";
  const kept = told.kept.reduce((sum, one) => sum + one.files, 0);
  const sum = { files: told.files - told.derived.files, bytes: told.size_bytes - told.derived.size_bytes,
    made: told.derived.files, madeBytes: told.derived.size_bytes, results: told.results };
  const reasons = told.kept.map((one) => `${count(one.files)} by ${one.rule.replaceAll("_", " ")}`).join(", ");
  return sentence(sum, told.restorable_until, kept) + (reasons ? ` (${reasons})` : "") +
    (told.needs === null ? "" : ` To delete so many, type ${told.needs}.`);
}

function sentence({ files, bytes, made, madeBytes, results }, until, kept) {
  const others = [made ? `${count(made, "file")} made of them (${size(madeBytes)})` : "", results ? count(results, "result") : ""];
  const also = others.filter(Boolean).join(" and ");
  const goes = `${count(files, "file")} (${size(bytes)}) ${files === 1 ? "goes" : "go"}${also ? `, and with them ${also}` : ""}`;
  const undone = until === null ? "for good" : `into the trash, to be restored until ${instant(until)}`;
  return `${goes}, ${undone}.${kept ? ` ${count(kept)} of those chosen ${kept === 1 ? "stays" : "stay"}.` : ""}`;
}

function deletion(form, isTrash, dry) {
  const query = new URLSearchParams({ derived: form.elements.derived?.checked === false ? "keep" : "take", dry_run: String(dry) });
  if (isTrash) query.set("strategy", "hard");
  const reason = form.elements.reason.value.trim();
  if (reason) query.set("reason", reason);
  return query;
}

async function run(form, wanted, isTrash) {
  const button = form.querySelector("button:not([type])");
  const progress = form.querySelector("progress");
  button.disabled = true;
  progress.hidden = false;
  try {
    const [did, refused] = form.dataset.method === "DELETE" && wanted.filters !== null
      ? await deleteMatching(form, wanted, isTrash) : await actOnEach(form, wanted, isTrash, progress);
    if (refused.length === 0) {
      tellNext(`${count(did, "file")} ${form.dataset.done}.`);
      location.reload();
      return;
    }
    showRefused(form, refused);
    form.querySelector(".amount").textContent = `${count(did, "file")} ${form.dataset.done}. ${count(refused.length)} stayed as they were:`;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    form.querySelector(".amount").textContent = [error.message, ...error.reasons].join(" ");
  } finally {
    button.disabled = false;
    progress.hidden = true;
  }
}

async function deleteMatching(form, { filters }, isTrash) {
  const query = deletion(form, isTrash, false);
  const typed = document.getElementById("delete-confirm").value.trim();
  if (form.dataset.needs && typed) query.set("confirm", typed);
  const told = await ask("DELETE", `${API}/files?${filters}&${query}`);
  const left = told.left ? [[{ name: "" }, new Problem({ detail: `${count(told.left, "file")} were left: delete once more.` }, 0)]] : [];
  return [told.files, left];
}

async function actOnEach(form, wanted, isTrash, progress) {
  const files = wanted.filters === null ? wanted.chosen : await listAll(wanted.filters, progress);
  const isDeletion = form.dataset.method === "DELETE";
  const query = isDeletion ? `?${deletion(form, isTrash, false)}` : "";
  const document = isDeletion || form.dataset.method === "POST" ? undefined : documentOf(form);
  progress.max = files.length;
  const refused = await each(
    files,
    (file) => ask(form.dataset.method, `${API}/files/${file.id}${form.dataset.path}${query}`, document),
    (done) => { progress.value = done; },
  );
  return [files.length - refused.length, refused];
}

function documentOf(form) {
  if (form.elements.ttl_seconds?.value === "never") return { expires_at: null };
  return read(form).values;
}

async function listAll(filters, progress) {
  const files = [];
  progress.removeAttribute("value");
  for (let cursor = ""; cursor !== null;) {
    const page = await ask("GET", `${API}/files?${filters}&limit=1000${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    files.push(...page.items.map((file) => ({ id: file.id, name: file.filename })));
    cursor = page.next_cursor;
  }
  return files;
}

function showRefused(form, refused) {
  const list = form.querySelector(".refused");
  list.hidden = refused.length === 0;
  list.replaceChildren(...refused.slice(0, MOST_SHOWN).map(([file, error]) => {
    const item = document.createElement("li");
    const rule = error.told.rule ? ` (${error.told.rule.replaceAll("_", " ")})` : "";
    item.textContent = `${file.name ? `${file.name}: ` : ""}${error.message}${rule}`;
    return item;
  }));
}
