// Uploads a file by every form of node: `upload.mjs RAW FORM TOKEN FILE`, an answer a line.
import { openAsBlob, createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const [raw, form, token, path] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const method = "POST";

async function fetched(url, body, more = {}) {
  console.log(await (await fetch(url, { method, headers, body, ...more })).text());
}

async function requested(more) {
  const asked = request(raw, { method, headers: { ...headers, ...more } });
  const answered = new Promise((resolve, reject) => asked.on("response", resolve).on("error", reject));
  await pipeline(createReadStream(path), asked);
  console.log((await (await answered).toArray()).join(""));
}

function formOf(blob) {
  const data = new FormData();
  data.set("category", "temp");
  data.set("file", blob, 'ä "b".mp4');
  return data;
}

const content = await readFile(path);
await fetched(raw, content);
await fetched(raw, Readable.toWeb(createReadStream(path)), { duplex: "half" });
await fetched(raw, await openAsBlob(path));
await fetched(form, formOf(await openAsBlob(path)));
await requested({});
await requested({ "Content-Length": content.length });
