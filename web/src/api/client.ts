// The one door to the service.

import createClient from "openapi-fetch";
import { authorization, keyWanted } from "../state/session";
import { exactFetch } from "./exact";
import type { paths } from "./schema";
import type { Problem } from "./types";

export const api = createClient<paths>({ baseUrl: location.origin, fetch: exactFetch });

api.use({
  onRequest({ request }) {
    for (const [name, value] of Object.entries(authorization())) request.headers.set(name, value);
    return request;
  },
});

/** A failure in words: what was tried, what the service said, and the id that finds it in the log. */
export class Failure extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly requestId: string | undefined;

  constructor(what: string, status: number, problem: Problem | undefined) {
    super(`Could not ${what}: ${explain(status, problem)}`);
    this.status = status;
    this.code = problem?.code;
    this.requestId = problem?.request_id;
  }
}

function explain(status: number, problem: Problem | undefined): string {
  if (status === 0) return "the service cannot be reached. Is it running?";
  if (status === 403) return `${problem?.detail ?? "this key's role does not allow it"}.`.replace("..", ".");
  const fields = problem?.errors?.map(({ pointer, detail }) => `${pointer} ${detail}`).join("; ");
  const said = [problem?.detail ?? problem?.title, fields].filter(Boolean).join(": ");
  return said || `the service answered ${status}.`;
}

type Reply<T> = { data?: T; error?: unknown; response: Response };

/** The body of a good answer, or a `Failure` that says what could not be done. */
export async function ask<T>(what: string, reply: Promise<Reply<T>>): Promise<T> {
  const asked = authorization().Authorization;
  let answer: Reply<T>;
  try {
    answer = await reply;
  } catch {
    throw new Failure(what, 0, undefined);
  }
  const { data, error, response } = answer;
  if (response.ok) return data as T;
  // A late answer to an old key says nothing of the new one.
  if (response.status === 401 && asked === authorization().Authorization) keyWanted.value = true;
  throw new Failure(what, response.status, typeof error === "object" ? (error as Problem) : undefined);
}
