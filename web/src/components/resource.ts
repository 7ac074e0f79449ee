// Loading something, showing its failure, and loading it again.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Resource<T> {
  data: T | undefined;
  error: unknown;
  loading: boolean;
  reload(): void;
}

/** Loads when `key` changes and every `everyMs` while the page is visible; a failed refresh keeps the old data. */
export function useResource<T>(key: string, load: () => Promise<T>, everyMs?: number): Resource<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: unknown; loading: boolean }>({ key, loading: true });
  const latest = useRef(load);
  latest.current = load;
  const turn = useRef(0);

  const reload = useCallback(() => {
    const mine = ++turn.current;
    latest.current().then(
      (data) => mine === turn.current && setState({ key, data, loading: false }),
      (error) => mine === turn.current && setState((old) => ({ ...(old.key === key ? old : {}), key, error, loading: false })),
    );
  }, [key]);

  useEffect(() => {
    reload();
    if (!everyMs) return;
    const timer = setInterval(() => !document.hidden && reload(), everyMs);
    return () => clearInterval(timer);
  }, [reload, everyMs]);

  useEffect(() => () => void (turn.current = -1), []);

  const current = state.key === key ? state : { data: undefined, error: undefined, loading: true };
  return { data: current.data, error: current.error, loading: current.loading, reload };
}
