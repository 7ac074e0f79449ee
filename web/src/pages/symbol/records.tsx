// Stored prices of the symbol, newest first, with their versions.

import { useEffect, useState } from "preact/hooks";
import { api, ask } from "../../api/client";
import type { PriceRecord } from "../../api/types";
import { ErrorNote, Loading, ProviderBadge, Time } from "../../components/basics";
import { Dialog } from "../../components/dialog";
import { useResource } from "../../components/resource";
import { display } from "../../lib/decimal";
import { onPrice } from "../../state/live";

const SHOWN = 20;
/** A busy symbol must not make the page ask for its list with every tick. */
const REFRESH_MS = 5000;

export function Records({ symbol }: { symbol: string }) {
  const records = useResource(symbol, () => ask(`load the prices of ${symbol}`, api.GET("/prices", { params: { query: { symbol, limit: SHOWN } } })));
  const [opened, setOpened] = useState<PriceRecord>();

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onPrice((message) => {
      if (message.symbol === symbol) timer ??= setTimeout(() => ((timer = undefined), records.reload()), REFRESH_MS);
    });
    return () => (clearTimeout(timer), void stop());
  }, [symbol]);

  const hasVolume = records.data?.some(({ volume }) => volume != null);
  return (
    <section aria-labelledby="records">
      <h2 id="records">Stored prices</h2>
      {records.error !== undefined && <ErrorNote error={records.error} onRetry={records.reload} />}
      {records.loading && <Loading what="the stored prices" />}
      {records.data?.length === 0 && <p class="muted">None yet.</p>}
      {records.data && records.data.length > 0 && (
        <div class="scroll tall" tabIndex={0} role="region" aria-label="Table of stored prices">
          <table class="data">
            <thead><tr><th scope="col">Observed</th><th scope="col" class="end">Price</th>{hasVolume && <th scope="col" class="end">Volume</th>}<th scope="col">Provider</th><th scope="col">Received</th><th scope="col">Version</th></tr></thead>
            <tbody>
              {records.data.map((record) => (
                <tr key={record.id}>
                  <td><Time iso={record.timestamp} /></td><td class="end">{display(record.price)}</td>{hasVolume && <td class="end">{record.volume == null ? <span class="muted">–</span> : display(record.volume, 0)}</td>}
                  <td><ProviderBadge name={record.source} /></td><td><Time iso={record.received_at} /></td>
                  <td>{record.version > 1 ? <button type="button" class="link" onClick={() => setOpened(record)}>corrected, version {record.version}</button> : <span class="muted">first</span>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {opened && <Versions record={opened} onClose={() => setOpened(undefined)} />}
    </section>
  );
}

function Versions({ record, onClose }: { record: PriceRecord; onClose(): void }) {
  const history = useResource(String(record.id), () => ask("load the versions", api.GET("/prices/{id}/history", { params: { path: { id: record.id } } })));
  return (
    <Dialog title={`Versions of price ${record.id}`} onClose={onClose} drawer>
      <p class="muted">{record.symbol} by {record.source}, observed <Time iso={record.timestamp} />. Nothing that was ever known is overwritten.</p>
      {history.error !== undefined && <ErrorNote error={history.error} onRetry={history.reload} />}
      {history.loading && <Loading what="the versions" />}
      <ol class="attempts" reversed>
        {history.data?.map((version) => (
          <li key={version.version}>
            <b>{version.deleted ? "deleted" : `${display(version.price)} ${version.currency}`}</b> <span class="muted">version {version.version}</span>
            <div class="muted">known from <Time iso={version.received_at} />{version.superseded_at && <> until <Time iso={version.superseded_at} /></>}</div>
          </li>
        ))}
      </ol>
    </Dialog>
  );
}
