// The frame around every page.

import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Dialog } from "./components/dialog";
import { FreshKey } from "./components/fresh-key";
import { lazy } from "./components/lazy";
import { StreamStatus } from "./components/stream-status";
import { SymbolSearch } from "./components/symbol-search";
import { say, Toast } from "./components/toast";
import { helpOpen, searchBox, setShortcuts, SHORTCUTS, shortcutsOn } from "./lib/keyboard";
import { Quotes } from "./pages/quotes";
import { SignIn } from "./pages/sign-in";
import { href, navigate, route } from "./router";
import { keyChanges, keyHint, keyWanted, signedIn, signOut } from "./state/session";
import { demo, loadSystem } from "./state/system";
import { follow } from "./state/live";
import { fillWatchlist, watchlist } from "./state/watchlist";
import { isDark, paint, toggleTheme } from "./state/theme";

interface PageEntry {
  title: string;
  component: ComponentType;
  inNavigation: boolean;
}

const PAGES: Record<string, PageEntry> = {
  quotes: { title: "Quotes", component: Quotes, inNavigation: true },
  symbol: { title: "Symbol", component: lazy("symbol page", () => import("./pages/symbol/symbol")), inNavigation: false },
  jobs: { title: "Jobs", component: lazy("jobs page", () => import("./pages/jobs")), inNavigation: true },
  providers: { title: "Providers", component: lazy("providers page", () => import("./pages/providers")), inNavigation: true },
  pipeline: { title: "Pipeline", component: lazy("pipeline page", () => import("./pages/pipeline")), inNavigation: true },
  system: { title: "System", component: lazy("system page", () => import("./pages/system")), inNavigation: true },
  "sign-in": { title: "Sign in", component: SignIn, inNavigation: false },
};

export function App() {
  useEffect(() => void loadSystem(), [keyChanges.value]);
  const { page, param } = route.value;
  const known = PAGES[page];
  const title = keyWanted.value ? "Sign in" : page === "symbol" ? (param ?? "Symbol") : (known?.title ?? "Not found");

  // Pages without prices of their own keep the watchlist's stream: its state is in the header.
  useEffect(() => {
    if (page !== "quotes" && page !== "symbol" && !keyWanted.value && watchlist.value) follow({ symbols: watchlist.value.map(({ symbol }) => symbol), averages: false });
  }, [page, watchlist.value, keyWanted.value]);
  useEffect(() => void (page !== "quotes" && !keyWanted.value && fillWatchlist().catch(() => undefined)), [page, keyWanted.value]);

  const main = useRef<HTMLElement>(null);
  const firstShown = useRef(true);
  useEffect(() => {
    document.title = `${title} · tickerd`;
    // A reader of a screen reader hears the new page; at the first load the browser does it.
    if (!firstShown.current) main.current?.focus({ preventScroll: true });
    if (!firstShown.current) window.scrollTo(0, 0);
    firstShown.current = false;
  }, [title]);

  const Page = keyWanted.value ? SignIn : known?.component;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>Skip to the page</a>
      {demo.value && (
        <aside class="demo" aria-label="Demo mode">
          <strong>Demo mode.</strong> Prices are played back or invented.
        </aside>
      )}
      <Header />
      <main ref={main} id="main" tabIndex={-1} aria-label={title}>
        {Page ? <Page key={page === "symbol" ? param : page} /> : <NotFound />}
      </main>
      <Navigation place="foot" />
      <Toast />
      {helpOpen.value && <Help />}
      <FreshKey />
    </>
  );
}

function Header() {
  return (
    <header class="top">
      <a class="brand" href={href("quotes")} aria-label="tickerd, to the quotes">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <path d="M3 22l7-7 4 4 7-10 8 6" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" stroke-linejoin="round" />
        </svg>
        <span>tickerd</span>
      </a>
      <Navigation place="top" />
      <SymbolSearch label="Search a symbol" placeholder="Search  /" inputRef={searchBox} onPick={(symbol) => navigate(href("symbol", symbol))} />
      <StreamStatus />
      <Account />
      <button type="button" class="quiet icon" aria-label={themeLabel()} title={themeLabel()} onClick={toggleTheme}>{isDark() ? "☀" : "☾"}</button>
      <button type="button" class="quiet icon help-button" aria-label="Keyboard help" title="Keyboard help (?)" onClick={() => (helpOpen.value = true)}>?</button>
    </header>
  );
}

function themeLabel(): string {
  void paint.value; // redrawn when the system's own choice changes
  return isDark() ? "Switch to light" : "Switch to dark";
}

function Account() {
  if (!signedIn.value) return <a class="account" href={href("sign-in")}>Sign in</a>;
  const leave = () => {
    signOut();
    say("Signed out. The key is forgotten.");
    navigate(href("quotes"));
  };
  return <button type="button" class="quiet account" title={`Signed in with ${keyHint.value}`} onClick={leave}>Sign out</button>;
}

const ICONS: Record<string, string> = {
  quotes: "M3 17l5-5 4 3 8-9",
  jobs: "M12 6v6l4 2M12 3a9 9 0 1 0 .01 0",
  providers: "M12 20V10M6 20v-4M18 20V4",
  pipeline: "M3 12h5l2-5 4 10 2-5h5",
  system: "M4 7h10M18 7h2M4 17h2M10 17h10M14 4v6M6 14v6",
};

function Navigation({ place }: { place: "top" | "foot" }) {
  return (
    <nav class={`nav nav-${place}`} aria-label={place === "top" ? "Pages" : "Pages, at the foot"}>
      {Object.entries(PAGES).filter(([, { inNavigation }]) => inNavigation).map(([name, { title }]) => (
        <a key={name} href={href(name)} aria-current={route.value.page === name ? "page" : undefined}>
          <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path d={ICONS[name]} fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" /></svg>
          {title}
        </a>
      ))}
    </nav>
  );
}

function NotFound() {
  return (
    <div class="empty">
      <h1>There is no such page</h1>
      <p>The address does not name a page of this dashboard. <a href={href("quotes")}>Go to the quotes</a>.</p>
    </div>
  );
}

function Help() {
  return (
    <Dialog title="Keyboard" onClose={() => (helpOpen.value = false)}>
      <table class="keys">
        <tbody>
          {SHORTCUTS.map(([keys, what]) => (
            <tr key={keys}>
              <th scope="row">{keys.split(/\s+/).map((key) => <kbd key={key}>{key}</kbd>)}</th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <label class="check">
        <input type="checkbox" checked={shortcutsOn.value} onChange={(event) => setShortcuts(event.currentTarget.checked)} />
        Single-key shortcuts are on
      </label>
    </Dialog>
  );
}
