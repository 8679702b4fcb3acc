// A client of tus 1.0: a file in pieces, each durable once it is answered.
//
// Where an upload goes on is remembered by what is said of the file: whoever brings the same file again, in this browser,
// goes on where it stopped. What breaks is tried again, ever later; what is refused is thrown as the Problem it is.
import { API, Problem } from "../layout/api.js";

const VERSION = { "Tus-Resumable": "1.0.0" };
const LEAST_PIECE = 256 * 1024;
const MOST_PIECE = 64 * 1024 * 1024;
const PIECE_SECONDS = 1.5;
const STALLED_MILLISECONDS = 120_000;
const LONGEST_WAIT_SECONDS = 30;
const REMEMBERED_DAYS = 30;
const PASSING = new Set([0, 408, 409, 423, 425, 429, 500, 502, 503, 504]);
const GONE = new Set([404, 410]);
const PREFIX = "upload ";

// Brings all of `file`, and returns the id of the file that it has become. `moved(bytes)` hears what is durable,
// `named(address)` where it is brought, `waits(seconds, problem)` that it is tried again; `signal` stops it, and it can
// go on later.
export async function upload(file, metadata, { owner, signal, moved, named, waits }) {
  const key = `${PREFIX}${owner} ${file.size} ${file.lastModified} ${metadata}`;
  let piece = LEAST_PIECE * 4;
  let failures = 0;
  for (;;) {
    let address = recall(key);
    try {
      if (address === null) {
        // Nothing stops this: an upload whose address nobody heard would stay until it expires.
        const made = await send("POST", `${API}/uploads`, { "Upload-Length": String(file.size), "Upload-Metadata": metadata });
        address = made.headers.get("Location");
        remember(key, address);
      }
      named(address);
      signal.throwIfAborted();
      let answer = await send("HEAD", address, {}, signal);
      let offset = Number(answer.headers.get("Upload-Offset"));
      moved(offset);
      while (answer.headers.get("File-Id") === null) {
        const started = performance.now();
        const body = file.slice(offset, offset + piece);
        const headers = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
        answer = await send("PATCH", address, headers, signal, body);
        offset = Number(answer.headers.get("Upload-Offset"));
        piece = nextPiece(body.size, performance.now() - started);
        failures = 0;
        moved(offset);
      }
      localStorage.removeItem(key);
      return answer.headers.get("File-Id");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (GONE.has(error.status) && address !== null) {
        localStorage.removeItem(key);
        moved(0);
      } else if (!PASSING.has(error.status)) {
        throw error;
      }
      failures += 1;
      piece = Math.max(LEAST_PIECE, piece / 2);
      const seconds = error.after ?? Math.min(LONGEST_WAIT_SECONDS, 2 ** (failures - 1));
      waits(seconds, error);
      await pause(seconds, signal);
    }
  }
}

// Lets the service forget an upload with all that came of it.
export async function giveUp(address) {
  await send("DELETE", address, {});
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(PREFIX) && recall(key) === address) localStorage.removeItem(key);
  }
}

export function metadataOf(pairs) {
  return Object.entries(pairs)
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key} ${encode(value)}`)
    .join(",");
}

function encode(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

async function send(method, address, headers, signal = undefined, body = undefined) {
  const stalled = AbortSignal.timeout(STALLED_MILLISECONDS);
  let answer;
  try {
    answer = await fetch(address, {
      method, body, headers: { ...VERSION, ...headers }, signal: signal ? AbortSignal.any([signal, stalled]) : stalled,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem({ detail: "The service cannot be reached." }, 0);
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  const problem = new Problem(told, answer.status);
  const after = Number(answer.headers.get("Retry-After"));
  if (after > 0) problem.after = after;
  throw problem;
}

// As long as a second or two, so that progress is seen and little is sent twice.
function nextPiece(size, milliseconds) {
  const wanted = size * (PIECE_SECONDS * 1000) / Math.max(1, milliseconds);
  return Math.round(Math.min(MOST_PIECE, Math.max(LEAST_PIECE, Math.min(wanted, size * 4))));
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    addEventListener("online", done);
    signal.addEventListener("abort", () => {
      done();
      reject(signal.reason);
    }, { once: true });
  });
}

function recall(key) {
  return JSON.parse(localStorage.getItem(key) ?? "null")?.address ?? null;
}

function remember(key, address) {
  for (const other of Object.keys(localStorage)) {
    if (!other.startsWith(PREFIX)) continue;
    const { at } = JSON.parse(localStorage.getItem(other));
    if (Date.now() - at > REMEMBERED_DAYS * 86_400_000) localStorage.removeItem(other);
  }
  localStorage.setItem(key, JSON.stringify({ address, at: Date.now() }));
}
