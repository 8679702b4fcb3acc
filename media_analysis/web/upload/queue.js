// Files that wait, come, are stored or refused: some at once, each with a row of its own once it begins.
import { Problem } from "../layout/api.js";
import { tell } from "../layout/notices.js";
import { count, instant, size, span } from "../layout/writing.js";
import { giveUp, upload } from "./tus.js";

const AT_ONCE = 3;
const MOST_DONE_SHOWN = 200;
const RATE_SECONDS = 10;

export class Queue {
  #items = [];
  #isPaused = false;
  #moves = [];
  #done = [];

  constructor(owner, files) {
    this.owner = owner;
    this.files = files;
    this.list = document.getElementById("queue");
    this.template = document.getElementById("row");
    setInterval(() => this.#tellAmount(), 1000);
  }

  // Each is a file, the metadata it is to have, and the name it is shown by.
  add(items) {
    for (const item of items) this.#items.push({ ...item, bytes: 0, state: "waiting" });
    this.#begin();
  }

  pauseAll() {
    this.#isPaused = !this.#isPaused;
    for (const item of this.#items) {
      if (this.#isPaused && item.state === "coming") this.#stop(item, "waiting");
    }
    this.#begin();
    return this.#isPaused;
  }

  retryAll() {
    for (const item of this.#items) if (item.state === "refused") item.state = "waiting";
    this.#begin();
  }

  #begin() {
    const coming = this.#items.filter((item) => item.state === "coming").length;
    const next = this.#isPaused ? [] : this.#items.filter((item) => item.state === "waiting").slice(0, AT_ONCE - coming);
    for (const item of next) this.#bring(item);
    this.#tellAmount();
  }

  async #bring(item) {
    item.state = "coming";
    item.stop = new AbortController();
    const row = (item.row ??= this.#addRow(item));
    this.#say(item, "begins…");
    try {
      item.id = await upload(item.file, item.metadata, {
        owner: this.owner,
        signal: item.stop.signal,
        named: (address) => {
          item.address = address;
          if (item.state === "given up") this.#forget(item);
        },
        moved: (bytes) => this.#moved(item, bytes),
        waits: (seconds, problem) => this.#say(item, `${problem.message} Tried again in ${span(seconds)}.`),
      });
      item.state = "stored";
      this.#stored(item, row);
    } catch (error) {
      if (item.stop.signal.aborted) {
        this.#say(item, "paused");
      } else if (error instanceof Problem) {
        item.state = "refused";
        row.classList.add("bad");
        this.#say(item, reasonOf(error));
      } else {
        item.state = "refused";
        this.#say(item, "The file cannot be read any more: it was moved or changed. Drop it again.");
      }
      row.querySelector(".pause").textContent = item.state === "refused" ? "Try again" : "Go on";
    }
    this.#begin();
    this.#tellEnd();
  }

  #stop(item, state) {
    item.state = state;
    item.stop?.abort();
  }

  #addRow(item) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    row.querySelector(".name").textContent = item.name;
    row.querySelector("progress").setAttribute("aria-label", item.name);
    row.querySelector(".pause").addEventListener("click", () => {
      if (item.state === "coming") {
        this.#stop(item, "paused");
      } else {
        row.classList.remove("bad");
        item.state = "waiting";
        row.querySelector(".pause").textContent = "Pause";
        this.#begin();
      }
    });
    row.querySelector(".give-up").addEventListener("click", () => this.#giveUp(item));
    this.list.prepend(row);
    return row;
  }

  #giveUp(item) {
    this.#stop(item, "given up");
    this.#items = this.#items.filter((other) => other !== item);
    item.row.remove();
    this.#begin();
    if (item.address) this.#forget(item);
  }

  async #forget(item) {
    try {
      await giveUp(item.address);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tell(`${item.name}: ${error.message}`);
    }
  }

  #moved(item, bytes) {
    if (bytes > item.bytes && item.begun) this.#moves.push([performance.now(), bytes - item.bytes]);
    item.begun = true; // what was there before is no rate of now
    item.bytes = bytes;
    item.row.querySelector("progress").value = item.file.size ? bytes / item.file.size : 1;
    item.row.querySelector(".pause").textContent = "Pause";
    this.#say(item, `${size(bytes)} of ${size(item.file.size)}`);
  }

  #say(item, text) {
    item.row.querySelector(".state").textContent = text;
  }

  #stored(item, row) {
    const link = document.createElement("a");
    link.href = `${this.files}/${item.id}`;
    link.textContent = item.name;
    row.querySelector(".name").replaceChildren(link);
    row.querySelector("progress").remove();
    row.querySelector("span.row").remove();
    this.#say(item, `${size(item.file.size)}, stored`);
    this.#done.push(row);
    this.list.append(row);
    if (this.#done.length > MOST_DONE_SHOWN) this.#done.shift().remove();
  }

  #rate() {
    const since = performance.now() - RATE_SECONDS * 1000;
    this.#moves = this.#moves.filter(([at]) => at >= since);
    if (this.#moves.length === 0) return 0;
    const seconds = Math.max(1, (performance.now() - this.#moves[0][0]) / 1000);
    return this.#moves.reduce((sum, [, bytes]) => sum + bytes, 0) / seconds;
  }

  #tellAmount() {
    const items = this.#items;
    document.getElementById("course").hidden = items.length === 0;
    const all = items.reduce((sum, item) => sum + item.file.size, 0);
    const here = items.reduce((sum, item) => sum + item.bytes, 0);
    const of = (state) => items.filter((item) => item.state === state).length;
    const rate = this.#rate();
    const parts = [`${count(of("stored"))} of ${count(items.length, "file")} stored`, `${size(here)} of ${size(all)}`];
    if (rate > 0 && of("coming") > 0) parts.push(`${size(rate)}/s`, `${span((all - here) / rate)} left`);
    if (of("refused") > 0) parts.push(`${count(of("refused"))} refused`);
    if (this.#isPaused) parts.push("paused");
    document.getElementById("amount").textContent = parts.join(" · ");
    document.getElementById("all").value = all ? here / all : 1;
    document.getElementById("retry-all").hidden = of("refused") === 0;
  }

  #tellEnd() {
    if (this.#items.length === 0) return;
    if (this.#items.some((item) => !["stored", "refused"].includes(item.state))) return;
    const refused = this.#items.filter((item) => item.state === "refused").length;
    const stored = this.#items.length - refused;
    const text = refused ? `${count(stored, "file")} stored, ${count(refused)} refused.` : `${count(stored, "file")} stored.`;
    document.getElementById("said").textContent = text;
    tell(text);
  }
}

// What to do about it, where there is something to do.
function reasonOf(problem) {
  const told = problem.told;
  const reasons = [problem.message.replace(/\.?$/, "."), ...problem.reasons];
  if (problem.status === 507) {
    const frees = told.space_frees_at ?? told.own_space_frees_at;
    if (frees) reasons.push(`Room frees by itself ${instant(frees)}.`);
    else if (problem.after) reasons.push(`Room frees by itself in ${span(problem.after)}.`);
    else reasons.push("No room frees by itself.");
    reasons.push("Delete what is not needed, or choose another category, and try again.");
  }
  if (problem.status === 413 && told.limit_bytes) reasons.push(`At most ${size(told.limit_bytes)} are taken.`);
  if (problem.status === 401) reasons.push("Sign in again in another tab, then try again here: it goes on where it stopped.");
  return reasons.join(" ");
}
