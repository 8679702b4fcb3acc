// Uploads a file by tus-js-client in every way: `tus.mjs ADDRESS TOKEN FILE`, prints `way upload` a line.
import { createReadStream, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const { Upload } = createRequire(join(process.cwd(), "package.json"))("tus-js-client");
const [endpoint, token, path] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const content = readFileSync(path);
const whole = () => createReadStream(path);
const sized = { uploadSize: statSync(path).size };
const chunkSize = Math.ceil(content.length / 3.5);

function upload(source, options) {
  return new Promise((resolve, reject) => {
    const made = new Upload(source, {
      endpoint,
      headers,
      retryDelays: [],
      metadata: { filename: "a.bin", filetype: "application/octet-stream", category: "temp" },
      onError: reject,
      onSuccess: () => resolve(made.url),
      ...options,
    });
    made.start();
  });
}

function begin() {
  return new Promise((resolve, reject) => {
    const made = new Upload(content, {
      endpoint,
      headers,
      chunkSize,
      metadata: { name: "a.bin" },
      onError: reject,
      onChunkComplete: () => made.abort().then(() => resolve(made.url)),
    });
    made.start();
  });
}

const ways = {
  plain: () => upload(whole(), sized),
  chunked: () => upload(whole(), { ...sized, chunkSize }),
  deferred: () => upload(content, { uploadLengthDeferred: true, chunkSize }),
  created: () => upload(content, { uploadDataDuringCreation: true }),
  overridden: () => upload(content, { overridePatchMethod: true, chunkSize }),
  parallel: () => upload(content, { parallelUploads: 3 }),
  resumed: async () => upload(content, { uploadUrl: await begin() }),
};
for (const [way, run] of Object.entries(ways)) console.log(way, await run());
