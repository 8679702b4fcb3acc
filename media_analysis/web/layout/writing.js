// How sizes, numbers and spans are written, as the server writes them.
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const SPANS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

export function size(bytes) {
  let unit = 0;
  let number = bytes;
  while (number >= 1024 && unit < UNITS.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? number : number.toFixed(1)} ${UNITS[unit]}`;
}

export function count(number, noun = "") {
  const digits = number.toLocaleString("en").replaceAll(",", "\u202f");
  return noun ? `${digits} ${noun}${number === 1 ? "" : "s"}` : digits;
}

export function span(seconds) {
  const [name, length] = SPANS.find(([, one]) => seconds >= one) ?? SPANS.at(-1);
  return count(Math.max(1, Math.round(seconds / length)), name);
}

export function instant(at) {
  return new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

// A position in a film, as 1:02:03 or 2:03.
export function clock(seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, place) => (place ? String(part).padStart(2, "0") : String(part))).join(":");
}
