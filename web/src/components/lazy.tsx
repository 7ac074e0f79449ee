// Pages other than the first are loaded when they are opened.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ErrorNote, Loading } from "./basics";

export function lazy<P extends object>(what: string, load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined;
  return function Lazy(props: P) {
    const [Page, setPage] = useState<ComponentType<P> | undefined>(() => loaded);
    const [error, setError] = useState<unknown>();
    const fetchPage = () =>
      load().then(
        (module) => (loaded = module.default, setPage(() => module.default), setError(undefined)),
        () => setError(new Error(`Could not load the ${what}. The service may have been updated or stopped: reload the page.`)),
      );
    useEffect(() => void (loaded ?? fetchPage()), []);
    if (Page) return <Page {...props} />;
    return error ? <ErrorNote error={error} onRetry={() => location.reload()} /> : <Loading what={what} />;
  };
}
