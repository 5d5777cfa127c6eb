"use strict";
// The admin's pages while they are looked at: they read themselves again, ids are copied by a button, and a
// narrow list becomes cards. Every page works without this script.
{
  const MOST_WAIT_S = 300;
  const SHARE = 10; // a page waits ten times as long as its last answer took: it costs a server 10 % at most
  const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

  function age(seconds) {
    const size = Math.abs(Math.round(seconds));
    const unit = UNITS.find(([, of]) => size >= 2 * of);
    const text = unit ? `${Math.floor(size / unit[1])} ${unit[0]}` : `${size} s`;
    return seconds >= 0 ? `${text} ago` : `in ${text}`;
  }

  // The server's clock, so that a wrong clock here makes no wrong age.
  let clockOffsetMs = 0;

  function countAges() {
    for (const shown of document.querySelectorAll(":is(.change-list, .change-form) time + .age")) {
      const at = Date.parse(shown.previousElementSibling.dateTime);
      shown.textContent = age((Date.now() + clockOffsetMs - at) / 1000);
    }
  }

  // The header of its column stands beside each cell, for lists that are shown as cards.
  function labelCells() {
    for (const table of document.querySelectorAll("#result_list")) {
      const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
      for (const row of table.tBodies[0].rows) {
        [...row.cells].forEach((cell, place) => { cell.dataset.label = names[place] || ""; });
      }
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.classList.add("copied");
    } catch {
      window.prompt("Copy the id:", button.dataset.copy); // no clipboard without https
    }
    setTimeout(() => button.classList.remove("copied"), 1500);
  });

  // What is renewed: rows and pages of a list, lines of a row's page, and parts with a name.
  const PARTS = [
    ["#changelist-form .results", () => "results"],
    ["#changelist-form .paginator", () => "paginator"],
    ["ul.messagelist", () => "messages"],
    [".letters .live, .letters.live", (part) => `live ${part.id}`],
    [".change-form .form-row", (part) => part.className],
    ["[data-part]", (part) => `part ${part.dataset.part}`],
  ];

  function partsOf(page) {
    const parts = new Map();
    for (const [selector, name] of PARTS) {
      for (const part of page.querySelectorAll(selector)) parts.set(name(part), part);
    }
    return parts;
  }

  const PASSING = /name="csrfmiddlewaretoken" value="[^"]*"|<span class="age">[^<]*<\/span>/g;
  const plain = (part) => part.outerHTML.replace(PASSING, "");

  // Django's script of the list knows the boxes that it found at first: they stay, each in its row. It is
  // told of others only where the number of rows has changed, because it never forgets what it was told.
  function putRows(part, shown) {
    const boxes = [...part.querySelectorAll("input.action-select")];
    const others = [...shown.querySelectorAll("input.action-select")];
    const fresh = shown.querySelector("#result_list");
    if (boxes.length !== others.length || !fresh) {
      part.replaceWith(shown);
      if (others.length && window.Actions) window.Actions(document.querySelectorAll("tr input.action-select"));
      return;
    }
    others.forEach((box, place) => {
      boxes[place].value = box.value;
      boxes[place].setAttribute("aria-label", box.getAttribute("aria-label") || "");
      box.replaceWith(boxes[place]);
    });
    part.querySelector("#result_list").tBodies[0].replaceChildren(...fresh.tBodies[0].rows);
  }

  class Refresher {
    constructor(everyS) {
      this.everyS = everyS;
      this.waitS = everyS;
      this.tag = "";
      this.isFrozen = this.isBusy = this.isOver = false;
      this.sent = new Map(); // what the server sent last, because scripts change what is shown
      this.timer = 0;
      this.lastAt = performance.now();
      this.makeState();
      document.addEventListener("visibilitychange", () => this.plan());
      this.plan();
    }

    makeState() {
      const bar = document.createElement("p");
      bar.className = "refresh-state";
      this.text = bar.appendChild(document.createElement("span"));
      this.button = bar.appendChild(document.createElement("button"));
      this.button.type = "button";
      this.button.addEventListener("click", () => {
        this.isFrozen = !this.isFrozen;
        this.plan();
      });
      document.querySelector("#content").prepend(bar);
      this.say();
    }

    say(trouble = "") {
      const live = `Live: renewed every ${Math.round(this.waitS)} s`;
      this.text.textContent = trouble || (this.isFrozen ? "Frozen" : live);
      this.text.parentElement.classList.toggle("still", Boolean(trouble) || this.isFrozen);
      this.button.textContent = this.isFrozen ? "Renew again" : "Freeze";
    }

    plan(trouble = "") {
      clearTimeout(this.timer);
      if (this.isOver || this.isBusy) return;
      if (!document.hidden && !this.isFrozen) {
        const dueMs = this.lastAt + this.waitS * 1000 - performance.now();
        this.timer = setTimeout(() => this.tick(), Math.max(dueMs, 100));
      }
      this.say(trouble);
    }

    // A person's work is not taken away from under their hands.
    whyNot() {
      if (document.querySelector("#result_list input.action-select:checked")) return "Waits: rows are selected";
      if (document.querySelector("dialog[open]")) return "Waits: a dialog is open";
      const focused = document.activeElement;
      if (focused && focused.matches("input:not([type=checkbox]), select, textarea")) return "Waits: you are typing";
      const isByKeys = focused && focused.matches(":focus-visible");
      if (isByKeys && focused.closest(".results, .form-row, .live")) return "Waits: something here has the focus";
      const chosen = window.getSelection();
      if (chosen && !chosen.isCollapsed) return "Waits: text is selected";
      return "";
    }

    async tick() {
      this.lastAt = performance.now();
      this.waitS = this.everyS;
      const reason = this.whyNot();
      if (reason) return this.plan(reason);
      this.isBusy = true;
      let trouble = "";
      try {
        await this.renew();
        this.waitS = Math.max(this.everyS, (SHARE * (performance.now() - this.lastAt)) / 1000);
        this.failures = 0;
      } catch {
        this.failures = (this.failures || 0) + 1;
        this.waitS = Math.min(this.everyS * 2 ** this.failures, MOST_WAIT_S);
        trouble = `Not renewed: no answer. Tried again in ${Math.round(this.waitS)} s`;
      }
      this.isBusy = false;
      return this.plan(trouble);
    }

    async renew() {
      const headers = { "X-Page-Refresh": "1" };
      if (this.tag) headers["If-None-Match"] = this.tag;
      const limit = AbortSignal.timeout(30000);
      const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "manual", signal: limit });
      if (answer.type === "opaqueredirect") return this.stop("You are signed out: log in again to see more.");
      if (answer.status === 403 || answer.status === 404) return this.stop("This page is not there any more.");
      const date = Date.parse(answer.headers.get("Date"));
      if (date) clockOffsetMs = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
      if (answer.status === 304) return undefined;
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      if (this.whyNot()) return undefined; // a person began something meanwhile
      this.tag = answer.headers.get("ETag") || "";
      const page = new DOMParser().parseFromString(text, "text/html");
      this.swap(page);
      if (!page.querySelector("meta[name=page-refresh-s]")) {
        return this.stop("This has ended and changes no more. Reload the page to see all of it.");
      }
      return undefined;
    }

    swap(page) {
      const fresh = partsOf(page);
      for (const [name, part] of partsOf(document)) {
        const next = fresh.get(name);
        if (!next || !part.isConnected) continue;
        const text = plain(next);
        if (text === (this.sent.get(name) || plain(part))) continue;
        this.sent.set(name, text);
        const shown = document.importNode(next, true);
        if (name === "results") putRows(part, shown);
        else part.replaceWith(shown);
      }
      labelCells();
      countAges();
    }

    stop(text) {
      this.isOver = true;
      this.say(text);
      this.button.remove();
    }
  }

  // On a phone the filters stand above the list, each closed.
  function closeFilters() {
    if (!window.matchMedia("(max-width: 767px)").matches) return;
    for (const menu of document.querySelectorAll("#changelist-filter details")) menu.open = false;
  }

  function begin() {
    document.documentElement.classList.add("scripted");
    labelCells();
    closeFilters();
    setInterval(countAges, 5000);
    const meta = document.querySelector("meta[name=page-refresh-s]");
    if (meta) new Refresher(Number(meta.content));
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
}
