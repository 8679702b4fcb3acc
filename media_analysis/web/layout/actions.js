// Forms that act: `<form class="action" data-method="PUT" action="/api/v1/…">` sends its fields as a document.
//
// data-type on a field says what its text is: number, boolean, json, instant, and, one a line or parted by commas, list,
// numbers, labels (`key:value`, by lines alone in a field that has some; `key:` alone takes it away).
// A field that is empty is left out, with data-empty="null" it is null. A name with dots nests.
// data-query on a field puts it into the address instead; data-then is where to go, `{id}` in it is of the answer.
import { ask, Problem } from "./api.js";
import { tell, tellNext } from "./notices.js";

export function bindActions(root) {
  for (const form of root.querySelectorAll("form.action")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act(form, event.submitter);
    });
  }
  for (const opener of root.querySelectorAll("[data-opens]")) {
    opener.addEventListener("click", () => document.getElementById(opener.dataset.opens).showModal());
  }
  for (const closer of root.querySelectorAll("[data-closes]")) {
    closer.addEventListener("click", () => closer.closest("dialog").close());
  }
}

async function act(form, submitter) {
  if (form.dataset.confirm && !(await confirmed(form.dataset.confirm, submitter?.textContent ?? "Yes"))) {
    return;
  }
  const output = form.querySelector("output");
  output.textContent = "";
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  submitter?.setAttribute("disabled", "");
  try {
    const told = await send(form);
    if (form.dispatchEvent(new CustomEvent("acted", { detail: told, cancelable: true, bubbles: true }))) {
      goOn(form, told);
    }
  } catch (error) {
    if (!(error instanceof Problem)) {
      throw error;
    }
    output.textContent = [error.message, ...reasonsIn(form, error)].join("\n");
    form.dispatchEvent(new CustomEvent("refused", { detail: error, bubbles: true }));
  } finally {
    submitter?.removeAttribute("disabled");
  }
}

// Says of each field of the form that was refused why, by its label, and leads to the first of them.
function reasonsIn(form, problem) {
  const refused = (problem.told.errors ?? []).map(({ field: path, reason }) => {
    const field = [...form.elements].find((one) => one.name && one.labels?.length && `.${path}.`.includes(`.${one.name}.`));
    field?.setAttribute("aria-invalid", "true");
    return { field, text: `${field?.labels[0].textContent.trim() ?? path}: ${reason}` };
  });
  refused.find(({ field }) => field)?.field.focus();
  return refused.map(({ text }) => text);
}

export function send(form) {
  const { values, query } = read(form);
  const address = new URL(form.getAttribute("action"), location.href);
  for (const [name, value] of query) {
    address.searchParams.append(name, value);
  }
  const method = form.dataset.method;
  const isBare = Object.keys(values).length === 0 && (method === "DELETE" || !("document" in form.dataset));
  return ask(method, address, isBare ? undefined : values);
}

function goOn(form, told) {
  const done = form.dataset.done ?? "";
  if (form.dataset.then !== undefined) {
    if (done) tellNext(done);
    location.assign(form.dataset.then.replace("{id}", encodeURIComponent(told?.id ?? "")));
  } else if (form.dataset.stay !== undefined) {
    if (done) tell(done);
  } else {
    if (done) tellNext(done);
    location.reload();
  }
}

// What a form holds: the document, and what belongs into the address.
export function read(form) {
  const values = {};
  const query = [];
  for (const field of form.elements) {
    if (!field.name || field.disabled || (field.type === "radio" && !field.checked)) continue;
    if (field.type === "checkbox" && field.dataset.type !== "boolean" && !field.checked) continue;
    const value = valueOf(field);
    if (value === undefined) continue;
    if (field.dataset.query !== undefined) {
      for (const one of Array.isArray(value) ? value : [value]) query.push([field.name, one]);
    } else {
      put(values, field.name.split("."), value, field.type === "checkbox" && field.dataset.type !== "boolean");
    }
  }
  return { values, query };
}

function valueOf(field) {
  if (field.type === "checkbox" && field.dataset.type === "boolean") return field.checked;
  const text = field.value.trim();
  if (text === "") return field.dataset.empty === "null" ? null : undefined;
  switch (field.dataset.type) {
    case "number": return Number(text);
    case "boolean": return text === "true";
    case "list": return partsOf(text);
    case "numbers": return partsOf(text).map(Number);
    case "json": return parsed(text, field);
    case "labels": return labelsOf(field.tagName === "TEXTAREA" ? text.split("\n") : text.split(","));
    case "instant": return new Date(text).toISOString();
    default: return text;
  }
}

function partsOf(text) {
  return text.split(/[\n,]+/).map((part) => part.trim()).filter(Boolean);
}

function labelsOf(parts) {
  return Object.fromEntries(parts.map((part) => part.trim()).filter(Boolean).map((line) => {
    const [key, ...value] = line.split(":");
    return [key.trim(), value.join(":").trim() || null];
  }));
}

function parsed(text, field) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem({ detail: `“${field.name}” is not JSON.` }, 0);
  }
}

function put(values, path, value, isOneOfMany) {
  const [name, ...rest] = path;
  if (rest.length > 0) {
    put((values[name] ??= {}), rest, value, isOneOfMany);
  } else if (isOneOfMany) {
    (values[name] ??= []).push(value);
  } else {
    values[name] = value;
  }
}

// Asks in a dialog of the page, which names what would be done.
export function confirmed(question, yes) {
  const dialog = document.createElement("dialog");
  const form = document.createElement("form");
  form.method = "dialog";
  const text = document.createElement("p");
  text.textContent = question;
  const row = document.createElement("div");
  row.className = "row";
  for (const [value, label, tone] of [["no", "Cancel", ""], ["yes", yes, "primary"]]) {
    const button = document.createElement("button");
    button.value = value;
    button.textContent = label;
    button.className = tone;
    row.append(button);
  }
  form.append(text, row);
  dialog.append(form);
  dialog.setAttribute("aria-label", "Confirm");
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
  });
}
