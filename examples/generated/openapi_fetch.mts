import createClient from "openapi-fetch";
import type { components, paths } from "./media_client.js";

const [baseUrl = "", token = ""] = process.argv.slice(2);
const service = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
const label = ["event:evt42"];

const stored = await service.POST("/api/v1/files", {
  params: { query: { category: "clips", filename: "a.txt", label } },
  headers: { "Content-Type": "application/octet-stream" },
  body: "some bytes",
  bodySerializer: (body) => body,
});
if (stored.error) throw new Error(stored.error.code);
const file: components["schemas"]["FileRead"] = stored.data;
const path = { file_id: file.id };
const listed = await service.GET("/api/v1/files", { params: { query: { category: "clips", label } } });
const read = await service.GET("/api/v1/files/{file_id}", { params: { path } });
const content = await service.GET("/api/v1/files/{file_id}/content", { params: { path }, parseAs: "text" });
const job = await service.POST("/api/v1/jobs", { body: { kind: "probe", name: "n", source_file_ids: [file.id] } });
const unknown = { file_id: "00000000-0000-7000-8000-000000000000" };
const refused = await service.GET("/api/v1/files/{file_id}", { params: { path: unknown } });

console.log(
  JSON.stringify({
    labels: file.labels,
    listed: listed.data?.items.length,
    same: JSON.stringify(read.data) === JSON.stringify(file),
    content: content.data,
    job: job.data?.kind,
    refused: [refused.error?.status, refused.error?.code],
  }),
);
