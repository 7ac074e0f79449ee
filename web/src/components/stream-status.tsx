// The stream's state, in the header of every page.

import { countdown } from "../lib/time";
import { lastSequence, phase, retryNow } from "../state/live";
import { now } from "../state/now";
import { State } from "./basics";

export function StreamStatus() {
  const at = phase.value;
  switch (at.name) {
    case "idle":
      return <State tone="plain" title="Nothing on this page follows the stream">Idle</State>;
    case "connecting":
      return <State tone="warn">Connecting</State>;
    case "live": {
      const resumed = at.resumedAfter ? ` Resumed after event ${at.resumedAfter}.` : "";
      return <State tone="good" title={`Last event ${lastSequence.value || "none yet"}.${resumed}`}>Live</State>;
    }
    case "waiting":
      return (
        <button type="button" class="quiet status-button" title={`${at.reason}. Press to try now.`} onClick={retryNow}>
          <State tone="bad">Lost, again in {countdown(at.retryAt - now.value)}</State>
        </button>
      );
    case "offline":
      return <State tone="bad" title="This machine has no network">Offline</State>;
    case "refused":
      return (
        <button type="button" class="quiet status-button" title={`${at.reason}. Press to try again.`} onClick={retryNow}>
          <State tone="bad">Refused ({at.status})</State>
        </button>
      );
  }
}
