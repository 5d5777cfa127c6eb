// The charts: the last hour by the second, or the last day by the minute, of one model or of all.

const FIELDS = ["in", "out", "waiting", "p50", "p95", "p99"];
const COLUMNS = ["in_per_s", "out_per_s", "waiting", "p50_s", "p95_s", "p99_s"];
const KEPT_S = { hour: 3_600, day: 86_400 };
const PLOTS = [
  { place: "plot-rate", fields: ["in", "out"], spell: perSecond },
  { place: "plot-waiting", fields: ["waiting"], spell: whole },
  { place: "plot-speed", fields: ["p50", "p95", "p99"], spell: seconds },
];

export class Charts {
  constructor(root) {
    this.root = root;
    this.span = "hour";
    this.columns = null;
    this.plots = [];
    this.now = null;
    new ResizeObserver(() => this.fit()).observe(root);
  }

  // Shows a history: columns of equal length, null where nothing is known.
  load(history) {
    this.span = history.span;
    this.columns = [history.at, ...COLUMNS.map((name) => history[name])].map((column) => [...column]);
    this.draw();
  }

  // Adds a second to the last hour. The last day is loaded again by the minute.
  add(point) {
    this.now = point;
    if (this.columns && this.span === "hour") {
      this.append(point);
      this.plots.forEach((plot) => plot.chart.setData(this.data(plot.fields)));
    }
    this.say();
  }

  append([at, ...values]) {
    const times = this.columns[0];
    while (times.length && times.at(-1) >= at) this.columns.forEach((column) => column.pop());
    if (times.length && at - times.at(-1) > 1) this.push(at - 1, FIELDS.map(() => null)); // a gap, not a line across it
    this.push(at, values);
    while (times[0] <= at - KEPT_S.hour) this.columns.forEach((column) => column.shift());
  }

  push(at, values) {
    this.columns.forEach((column, number) => column.push(number ? values[number - 1] : at));
  }

  draw() {
    this.plots.forEach((plot) => plot.chart.destroy());
    this.plots = this.columns ? PLOTS.map((plot) => ({ ...plot, chart: this.chart(plot) })) : [];
    this.say();
  }

  chart({ place, fields, spell }) {
    const box = document.getElementById(place);
    const style = getComputedStyle(this.root);
    const axis = { stroke: style.color, grid: { stroke: style.getPropertyValue("--grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const options = {
      width: box.clientWidth,
      height: box.clientHeight,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, size: 28, values: (_, times) => times.map(clock), space: 64 },
        { ...axis, size: 58, values: (_, values) => values.map(spell) },
      ],
      series: [{}, ...fields.map((field) => ({ stroke: style.getPropertyValue(`--line-${field}`), width: 1.5, points: { show: false } }))],
      hooks: { setCursor: [(chart) => this.say(chart.cursor.idx)] },
    };
    return new uPlot(options, this.data(fields), box);
  }

  data(fields) {
    return [this.columns[0], ...fields.map((field) => this.columns[1 + FIELDS.indexOf(field)])];
  }

  fit() {
    for (const { place, chart } of this.plots) {
      const box = document.getElementById(place);
      if (box.clientWidth !== chart.width) chart.setSize({ width: box.clientWidth, height: box.clientHeight });
    }
  }

  // Writes the figures under the pointer, else the newest, into the legend.
  say(index = null) {
    const under = index !== null && this.columns;
    const values = under ? this.columns.slice(1).map((column) => column[index]) : (this.now?.slice(1) ?? []);
    for (const plot of PLOTS) {
      for (const field of plot.fields) {
        const value = values[FIELDS.indexOf(field)];
        const place = this.root.querySelector(`[data-of="${field}"]`);
        place.textContent = value == null ? "-" : plot.spell(value);
      }
    }
  }
}

// Draws p95 and, before it, p50 of each stage.
export function showStages(box, model, stages) {
  box.hidden = !stages?.length;
  if (box.hidden) return;
  document.getElementById("stage-model").textContent = model;
  const most = Math.max(...stages.map(([, , p95]) => p95 ?? 0)) || 1;
  box.querySelector(".bars").replaceChildren(...stages.flatMap(([stage, p50, p95]) => {
    const name = document.createElement("span");
    const bar = document.createElement("span");
    const figures = document.createElement("output");
    name.textContent = stage;
    bar.className = "bar";
    bar.append(part(p95, most), part(p50, most));
    figures.textContent = `${p50 == null ? "-" : seconds(p50)} / ${p95 == null ? "-" : seconds(p95)}`;
    return [name, bar, figures];
  }));
}

function part(value, most) {
  const made = document.createElement("i");
  made.style.width = `${((value ?? 0) / most) * 100}%`;
  return made;
}

function clock(at) {
  return new Date(at * 1e3).toISOString().slice(11, at % 60 ? 19 : 16);
}

function perSecond(value) {
  return `${short(value)}/s`;
}

function whole(value) {
  return value >= 1e6 ? `${short(value / 1e6)} M` : value >= 1e4 ? `${short(value / 1e3)} k` : short(value);
}

function seconds(value) {
  if (value >= 3_600) return `${short(value / 3_600)} h`;
  if (value >= 60) return `${short(value / 60)} min`;
  return value >= 1 ? `${short(value)} s` : `${short(value * 1e3)} ms`;
}

function short(value) {
  return String(Number(value.toPrecision(value >= 100 ? 4 : 3)));
}
