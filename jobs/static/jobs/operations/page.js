// The live page: the server has painted the first reading; this brings the next ones, a second apart.

import { Charts, showStages } from "./charts.js";
import { BY_ITSELF, Readings } from "./stream.js";
import { setText, showRed, showTables, showTiles } from "./tables.js";

const OLD_S = 5; // an older reading says its age
const DAY_AGAIN_MS = 60_000;
const root = document.getElementById("operations");
const first = document.getElementById("first-content");

function start(content) {
  const page = new Page(content);
  const readings = new Readings(root.dataset.readings, (next) => page.show(next), (state, more) => page.say(state, more));
  setInterval(() => page.tick(), 1_000);
  setInterval(() => !document.hidden && page.span() === "day" && page.loadHistory(), DAY_AGAIN_MS);
  document.getElementById("chosen-model").addEventListener("change", () => page.choose());
  document.querySelectorAll("input[name=span]").forEach((button) => button.addEventListener("change", () => page.choose()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page.charts.draw());
  new MutationObserver(() => page.charts.draw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  readings.open();
  addEventListener("pagehide", () => readings.close());
  addEventListener("pageshow", (event) => event.persisted && readings.open());
}

class Page {
  constructor(content) {
    this.content = content;
    this.charts = new Charts(document.getElementById("charts"));
    this.receivedAt = 0; // by performance.now(): when this page began
    this.state = "connecting";
    this.more = {};
    this.title = document.title;
    document.getElementById("charts").hidden = false;
    this.point();
    this.loadHistory();
  }

  show(content) {
    const returns = performance.now() - this.receivedAt > 30_000;
    this.content = content;
    this.receivedAt = performance.now();
    showTables(content.tables);
    showTiles(content.tiles);
    if (showRed(content)) setText(document.getElementById("announcement"), content.verdict);
    this.offerModels();
    this.point();
    if (returns) this.loadHistory(); // what went by meanwhile
    const red = content.red.filter((line) => line.level === "red").length;
    document.title = red ? `(${red} red) ${this.title}` : this.title;
    this.tick();
  }

  say(state, more = {}) {
    if (state === this.state && state === "live") return;
    const worse = ["lost", "signed_out", "forbidden"].includes(state) && this.state !== state;
    const better = state === "live" && this.state === "connecting" && this.wasLost;
    this.wasLost = state === "lost" || (this.wasLost && state === "connecting");
    Object.assign(this, { state, more: { ...more, at: performance.now() } });
    this.tick();
    if (worse || better) setText(document.getElementById("announcement"), document.getElementById("state").textContent);
  }

  tick() {
    const status = document.getElementById("status");
    status.dataset.state = { signed_out: "lost", forbidden: "lost" }[this.state] ?? this.state;
    this.sentence(document.getElementById("state"));
    const age = Math.round(this.content.age_s + (performance.now() - this.receivedAt) / 1_000);
    const mark = document.getElementById("age");
    mark.hidden = age < OLD_S;
    if (!mark.hidden) setText(mark, `data of ${age} s ago`);
  }

  sentence(place) {
    const left = Math.max(0, Math.ceil((this.more.wait ?? 0) - (performance.now() - this.more.at) / 1_000));
    const at = new Date(this.content.at * 1_000).toISOString().slice(11, 19);
    const why = this.more.full ? "Too many watch this page" : "The connection is lost";
    if (this.state === "signed_out") return this.link(place, "Your session has ended: log in again", root.dataset.login);
    setText(place, {
      connecting: "Connecting…",
      live: `Live, ${at} UTC`,
      hidden: "Paused: nobody looks",
      lost: `${why}; next attempt in ${left} s`,
      forbidden: "You may no longer see this page",
    }[this.state] ?? "");
  }

  link(place, text, href) {
    if (place.querySelector("a")) return;
    const link = document.createElement("a");
    link.href = href;
    link.textContent = text;
    place.replaceChildren(link);
  }

  point() {
    const point = of(this.content.points, this.model());
    if (point) this.charts.add(point);
    const [shown] = this.model() ? [this.model()] : busiest(this.content);
    showStages(document.getElementById("stage-bars"), shown, of(this.content.stages, shown));
  }

  offerModels() {
    const menu = document.getElementById("chosen-model");
    const offered = new Set([...menu.options].map((option) => option.value));
    for (const name of Object.keys(this.content.points).sort()) {
      if (name && !offered.has(name)) menu.add(new Option(name, name));
    }
  }

  choose() {
    const query = new URLSearchParams({ ...(this.model() && { model: this.model() }), ...(this.span() === "day" && { span: "day" }) });
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
    this.charts.now = null;
    this.point();
    this.loadHistory();
  }

  async loadHistory() {
    const asked = `span=${this.span()}&model=${encodeURIComponent(this.model())}`;
    this.asked = asked;
    try {
      const answer = await fetch(`${root.dataset.history}?${asked}`, { headers: { Accept: "application/json", ...BY_ITSELF } });
      if (!answer.ok || answer.redirected || this.asked !== asked) return;
      this.charts.load(await answer.json());
      this.point();
    } catch {
      // the next reading, choice or minute tries again
    }
  }

  model() {
    return document.getElementById("chosen-model").value;
  }

  span() {
    return document.querySelector("input[name=span]:checked").value;
  }
}

// A model may be called `constructor`, which every object has.
function of(models, name) {
  return Object.hasOwn(models, name) ? models[name] : undefined;
}

// Of all models, the stages of the one with most jobs a second are drawn.
function busiest(content) {
  const rates = Object.keys(content.stages).map((name) => [name, of(content.points, name)?.[2] ?? 0]);
  return rates.sort((one, other) => other[1] - one[1])[0] ?? [""];
}

if (first) start(JSON.parse(first.textContent));
