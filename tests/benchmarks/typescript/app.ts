// An app in TypeScript: each kind of body and answer, by the types of the description alone.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };
type Acknowledgement = components["schemas"]["Acknowledgement"];
type Job = components["schemas"]["Job"];
type JobRequest = components["schemas"]["JobRequest"];

const [base = "", token = ""] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const client = createClient<paths>({ baseUrl: base, headers });

function check(what: string, isRight: boolean): void {
  console.log(`${isRight ? "right" : "WRONG"}: ${what}`);
}

function asLines(jobs: JobRequest[]): string {
  return jobs.map((job) => JSON.stringify(job)).join("\n");
}

const request: JobRequest = { model: "echo", input: { n: 1 }, metadata: { order: 4711 } };
const submitted = await client.POST("/api/v1/jobs", { body: request });
// Both calls for one job may answer bytes as well, to an `Accept` that asks for them.
const accepted = submitted.data as Acknowledgement | undefined;
const id = accepted?.id ?? "";
check("a job is accepted", submitted.response.status === 202 && id !== "");

const stream = await client.GET("/api/v1/jobs/{job_id}/events", {
  params: { path: { job_id: id } },
  parseAs: "text",
});
const events: string = stream.data ?? "";
check("its events end with the whole job", events.includes("event: end"));

const read = await client.GET("/api/v1/jobs/{job_id}", {
  params: { path: { job_id: id }, query: { wait: 20 } },
});
const job: Job | undefined = read.data as Job | undefined;
check("it is read with its output", job?.state === "succeeded" && job.metadata?.["order"] === 4711);

const many = await client.POST("/api/v1/jobs/bulk", { body: [request, request] });
check("a list of jobs is accepted", many.data?.accepted === 2);

const ndjson = { bodySerializer: (body: unknown) => body as string, headers: { "Content-Type": "application/x-ndjson" } };
const bulk = await client.POST("/api/v1/jobs/bulk", { body: asLines([request, request, request]), ...ndjson });
check("lines of jobs are accepted", bulk.data?.accepted === 3);

const answers = await client.POST("/api/v1/jobs/stream", { body: asLines([request]), ...ndjson, parseAs: "text" });
const item = JSON.parse(answers.data ?? "null") as components["schemas"]["BulkItem"];
check("a stream of jobs answers a line for each", item.state === "queued");

const refused = await client.POST("/api/v1/jobs", { body: { model: "nothing-like-it", input: null } });
check("an error is a problem with a code", refused.error?.code === "model_not_found");
