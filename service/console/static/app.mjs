// @ts-check
/** The frame of every page: navigation, outage, focus, keyboard. Pages are loaded when they are first opened. */
import { Shortcuts } from "./components/shortcuts.mjs";
import { watchReach } from "./lib/api.mjs";
import { html, render, useEffect, useRef, useState } from "./lib/html.mjs";
import { PlaceProvider, address, usePlace } from "./lib/router.mjs";

/** @type {Record<string, () => Promise<{ default: Function }>>} */
const MODULES = {
  overview: () => import("./pages/overview.mjs"),
  train: () => import("./pages/train.mjs"),
  jobs: () => import("./pages/jobs.mjs"),
  job: () => import("./pages/job.mjs"),
  models: () => import("./pages/models.mjs"),
  model: () => import("./pages/model.mjs"),
  tab: () => import("./pages/model.mjs"),
  data: () => import("./pages/data.mjs"),
  dataset: () => import("./pages/data.mjs"),
  missing: () => import("./pages/missing.mjs"),
};

/** @type {[import("./lib/router.mjs").PageName, string, string[]][]} */
const NAVIGATION = [
  ["overview", "Overview", ["overview"]],
  ["train", "Train", ["train"]],
  ["jobs", "Jobs", ["jobs", "job"]],
  ["models", "Models", ["models", "model", "tab"]],
  ["data", "Data", ["data", "dataset"]],
];

function App() {
  const place = usePlace();
  const [Page, setPage] = useState(/** @type {{ of: string, component: Function } | null} */ (null));
  const [failed, setFailed] = useState("");
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const isFirst = useRef(true);
  useEffect(() => {
    let stale = false;
    MODULES[place.page]?.().then(
      (module) => stale || (setFailed(""), setPage({ of: place.page, component: module.default })),
      () => stale || setFailed(place.page),
    );
    return () => {
      stale = true;
    };
  }, [place.page]);
  const key = `${place.page} ${Object.values(place.params).join(" ")}`;
  useEffect(() => {
    if (Page?.of !== place.page) return;
    const heading = main.current?.querySelector("h1");
    document.title = `${heading?.textContent ?? "Pushforward"} · Pushforward`;
    if (!isFirst.current) heading?.focus();
    isFirst.current = false;
  }, [key, Page]);
  return html`<${PlaceProvider} value=${place}>
    <a class="skip" href="#main">Skip to the content</a>
    <header>
      <a class="brand" href=${address("overview")}><img src="/console/icon.svg" alt="" width="24" height="24" /> Pushforward</a>
      <nav aria-label="Pages">
        ${NAVIGATION.map(([page, name, within]) => html`<a href=${address(page)} aria-current=${within.includes(place.page) ? "page" : undefined}>${name}</a>`)}
        <a href="/docs" target="_blank" rel="noopener">API</a>
      </nav>
      <${Shortcuts} />
    </header>
    <${Outage} />
    <main id="main" ref=${main} tabindex="-1">
      ${failed === place.page
        ? html`<h1 tabindex="-1">This page did not load</h1><p>The service did not send it. <a href=${location.href} target="_self">Try again</a></p>`
        : Page?.of === place.page && html`<${Page.component} key=${key} ...${place.params} />`}
    </main>
  <//>`;
}

/** That the service is away, and that it is back. */
function Outage() {
  const [reachable, setReachable] = useState(true);
  const [wasAway, setWasAway] = useState(false);
  useEffect(
    () =>
      watchReach((now) => {
        setReachable(now);
        if (!now) setWasAway(true);
        else setTimeout(() => setWasAway(false), 4000);
      }),
    [],
  );
  return html`<div role="status" class="outage">
    ${!reachable && html`<p class="problem">The service does not answer. This page tries again by itself; nothing you typed is lost.</p>`}
    ${reachable && wasAway && html`<p class="good">The service answers again.</p>`}
  </div>`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
