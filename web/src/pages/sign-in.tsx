// The key is proved by a cheap read before it is kept.

import { useState } from "preact/hooks";
import { ErrorNote } from "../components/basics";
import { say } from "../components/toast";
import { href, navigate, route } from "../router";
import { keyWanted, signedIn, signIn } from "../state/session";

export function SignIn() {
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);

  async function submit(event: SubmitEvent) {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const key = String(new FormData(form).get("key")).trim();
    if (!key) return setError(new Error("Paste a key first: it begins with tkd_."));
    setBusy(true);
    try {
      await prove(key);
      signIn(key);
      say("Signed in. The key is kept until this tab closes.");
      if (route.value.page === "sign-in") navigate(href("quotes"));
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  }

  return (
    <div class="sign-in">
      <h1>Sign in</h1>
      <p>{reason()}</p>
      <form onSubmit={submit} class="stack">
        <label>
          API key
          <input name="key" type="password" placeholder="tkd_…" autocomplete="off" spellcheck={false} required autofocus />
        </label>
        {error !== undefined && <ErrorNote error={error} />}
        <div class="actions"><button type="submit" class="primary" disabled={busy}>{busy ? "Checking…" : "Sign in"}</button></div>
      </form>
      <p class="muted">
        It is kept in this tab's session storage and sent in a header to this host, nowhere else.
        Have none? On the service's machine: <code>tickerd keys create --role read</code>
      </p>
    </div>
  );
}

function reason(): string {
  if (!keyWanted.value) return "A key with more rights shows and allows more.";
  return signedIn.value ? "The key of this tab is not accepted any more: it was revoked, or has expired." : "The service asks for an API key before it answers.";
}

async function prove(key: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch("/prices/symbols", { headers: { Authorization: `Bearer ${key}` } });
  } catch {
    throw new Error("Could not check the key: the service cannot be reached. Is it running?");
  }
  if (response.status === 401 || response.status === 403) throw new Error("The service does not accept this key. It may be mistyped, expired or revoked.");
  if (!response.ok) throw new Error(`Could not check the key: the service answered ${response.status}.`);
}
