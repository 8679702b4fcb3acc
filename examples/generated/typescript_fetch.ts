import { Category, Configuration, FilesApi, JobsApi, ResponseError } from "./media_client";

const [basePath = "", accessToken = ""] = process.argv.slice(2);
const configuration = new Configuration({ basePath, accessToken });
const files = new FilesApi(configuration);
const jobs = new JobsApi(configuration);
const about = { category: Category.Clips, label: ["event:evt42"] };

async function refusal(fileId: string): Promise<unknown> {
  try {
    return await files.readFile({ fileId });
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    return [error.response.status, ((await error.response.json()) as { code: string }).code];
  }
}

async function main(): Promise<void> {
  const stored = await files.uploadFile({ ...about, filename: "a.txt", body: new Blob(["some bytes"]) });
  const listed = await files.listFiles(about);
  const read = await files.readFile({ fileId: stored.id });
  const content = await files.readContent({ fileId: stored.id });
  const wanted = { kind: "probe", name: "n", sourceFileIds: new Set([stored.id]) } as const;
  const job = await jobs.createJob({ jobCreate: wanted });
  console.log(
    JSON.stringify({
      labels: stored.labels,
      listed: listed.items.length,
      same: JSON.stringify(read) === JSON.stringify(stored),
      content: await content.text(),
      job: job.kind,
      refused: await refusal("00000000-0000-7000-8000-000000000000"),
    }),
  );
}

void main();
