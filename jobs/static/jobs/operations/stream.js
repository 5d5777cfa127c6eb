// Reads the stream of readings while the page is looked at. It comes back by itself, ever more slowly.

const SILENT_MS = 20_000; // a heartbeat comes each 15 s: a stream that says nothing for so long is broken
// Says that no person asks: what a page reads by itself must not keep its session.
export const BY_ITSELF = { "X-Page-Refresh": "1" };
const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 30;

export class Readings {
  // `onReading` gets each reading; `onState` one of connecting, live, hidden, lost (with the seconds until the
  // next attempt and whether the server is full), signed_out, forbidden.
  constructor(url, onReading, onState) {
    Object.assign(this, { url, onReading, onState, failures: 0, call: null, timer: 0 });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.rest() : this.open()));
  }

  open() {
    this.close();
    if (document.hidden) return this.onState("hidden");
    this.onState("connecting");
    const call = (this.call = new AbortController());
    this.read(call).then(
      (end) => this.call === call && this.after(end),
      () => this.call === call && this.after({ retry: true }),
    );
  }

  rest() {
    this.close();
    this.onState("hidden");
  }

  close() {
    clearTimeout(this.timer);
    const call = this.call;
    this.call = null;
    call?.abort();
  }

  async read(call) {
    const watch = new Watch(() => call.abort());
    try {
      const answer = await fetch(this.url, { signal: call.signal, headers: { Accept: "text/event-stream", ...BY_ITSELF } });
      if (answer.redirected || answer.status === 401) return { state: "signed_out" };
      if (answer.status === 403) return { state: "forbidden" };
      if (!answer.ok) return { retry: true, full: answer.status === 503, wait: Number(answer.headers.get("Retry-After")) };
      return await this.events(answer.body.pipeThrough(new TextDecoderStream()).getReader(), watch);
    } finally {
      watch.end();
    }
  }

  async events(reader, watch) {
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { retry: true };
      watch.heard();
      const blocks = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const { name, data } = parsed(block);
        if (name === "end") return { state: JSON.parse(data).reason };
        if (name !== "reading") continue;
        this.failures = 0;
        this.onState("live");
        this.onReading(JSON.parse(data));
      }
    }
  }

  after(end) {
    this.call = null;
    if (end.state) return this.onState(end.state);
    const backoff = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** this.failures++);
    const wait = Math.max(end.wait || 0, backoff) * (0.75 + Math.random() / 2); // pages do not all come back at once
    this.onState("lost", { wait, full: Boolean(end.full) });
    this.timer = setTimeout(() => this.open(), wait * 1000);
  }
}

class Watch {
  constructor(onSilence) {
    this.onSilence = onSilence;
    this.heard();
  }

  heard() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.onSilence, SILENT_MS);
  }

  end() {
    clearTimeout(this.timer);
  }
}

function parsed(block) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return { name, data: data.join("\n") };
}
