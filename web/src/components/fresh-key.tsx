// A key that was just made. It stands above every page, because the first key of a service closes
// the page that made it, and nobody can ask for it again.

import { freshKey } from "../state/session";
import { Dialog } from "./dialog";
import { complain, say } from "./toast";

export function FreshKey() {
  const key = freshKey.value;
  if (key === undefined) return null;
  const close = () => (freshKey.value = undefined);
  return (
    <Dialog title="The new key" onClose={close}>
      <p>This is the only time it is shown. Keep it where you keep secrets.</p>
      <pre class="secret" tabIndex={0}>{key}</pre>
      <div class="actions">
        <button type="button" onClick={() => void navigator.clipboard.writeText(key).then(() => say("Copied."), complain)}>Copy</button>
        <button type="button" class="primary" onClick={close}>I have it</button>
      </div>
    </Dialog>
  );
}
