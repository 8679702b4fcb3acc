// The API, asked with the cookie of whoever signed in.
export const API = document.documentElement.dataset.api;

export class Problem extends Error {
  constructor(told, status) {
    super(told.detail || told.title || `The service answered ${status}.`);
    this.told = told;
    this.status = status;
    this.reasons = (told.errors ?? []).map((error) => `${error.field}: ${error.reason}`);
  }
}

// Returns the document that is answered, null for none; throws the Problem that is.
export async function ask(method, address, document = undefined, headers = {}) {
  const body = document === undefined ? undefined : JSON.stringify(document);
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(address, { method, body, headers: { Accept: "application/json", ...type, ...headers } });
  } catch {
    throw new Problem({ detail: "The service cannot be reached. Nothing was changed that it did not confirm." }, 0);
  }
  const text = await answer.text();
  const told = (answer.headers.get("Content-Type") ?? "").includes("json") && text ? JSON.parse(text) : null;
  if (!answer.ok) {
    throw new Problem(told ?? {}, answer.status);
  }
  return told;
}
