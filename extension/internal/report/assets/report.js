"use strict";
// The page's own script: charts of the series, and the filter. Everything it
// shows is text; nothing from the report becomes markup.
(function () {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  // --- filter -------------------------------------------------------------

  const form = document.querySelector(".filter");
  const rows = [...document.querySelectorAll("main section:not([aria-labelledby=verdicts]) table:not(.waterfall) > tbody > tr")];
  const verdictRows = [...document.querySelectorAll("section[aria-labelledby=verdicts] tbody > tr")];
  const examples = [...document.querySelectorAll("details.example")];
  const searched = new Map();
  for (const row of rows) searched.set(row, row.textContent.toLowerCase());
  for (const example of examples) searched.set(example, example.dataset.search);

  function matches(element, wanted) {
    if (wanted.text && !searched.get(element).includes(wanted.text)) return false;
    const verdicts = element.dataset.verdicts, phases = element.dataset.phases;
    if (wanted.verdict && verdicts !== undefined && !verdicts.split(" ").includes(wanted.verdict)) return false;
    return !wanted.phase || phases === undefined || phases.split("\n").includes(wanted.phase);
  }

  function applyFilter() {
    const value = (id) => (byId(id) ? byId(id).value : "");
    const wanted = {
      text: value("filter-text").trim().toLowerCase(),
      verdict: value("filter-verdict"), phase: value("filter-phase"),
    };
    const show = (list) => list.filter((element) => !(element.hidden = !matches(element, wanted))).length;
    const shownRows = show(rows), shownExamples = show(examples);
    for (const row of verdictRows) row.hidden = wanted.verdict !== "" && row.dataset.verdicts !== wanted.verdict;
    if (byId("no-example")) byId("no-example").hidden = shownExamples > 0;
    byId("filter-count").textContent = wanted.text || wanted.verdict || wanted.phase
      ? `${shownRows} of ${rows.length} rows, ${shownExamples} of ${examples.length} examples` : "";
  }

  form.addEventListener("input", applyFilter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(applyFilter));
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      byId("filter-text").focus();
    }
    if (event.key === "Escape" && form.contains(event.target)) form.reset();
  });
  applyFilter(); // a browser may restore what was typed before

  // --- charts -------------------------------------------------------------

  const source = byId("series");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const seconds = data.attempts.map((_, i) => (i + 0.5) * data.step);
  const last = data.attempts.length * data.step;
  const color = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const gutter = 64;

  function clock(s) {
    const two = (n) => String(n).padStart(2, "0");
    const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60, rest = Math.floor(s % 60);
    return h ? `${h}:${two(m)}:${two(rest)}` : `${m}:${two(rest)}`;
  }
  const short = (v) => (v === null || v === undefined ? "–" : String(Number(v.toPrecision(4))));
  const milliseconds = (v) => (v === null || v === undefined ? "–" : v >= 10000 ? short(v / 1000) + " s" : short(v) + " ms");
  const percent = (v) => (v === null || v === undefined ? "–" : String(Number(v.toFixed(3))) + " %");

  // The worst minute must be visible: the axis begins below the lowest point.
  function continuityRange() {
    const low = data.continuity.reduce((least, v) => (v === null ? least : Math.min(least, v)), 100);
    return low >= 100 ? [90, 100.5] : [Math.max(0, low - (100 - low) * 0.15), 100 + (100 - low) * 0.06];
  }
  const fromZero = (u, least, most) => [0, (most || 1) * 1.08];

  const charts = [
    { id: "plot-continuity", range: continuityRange, format: percent,
      lines: [["held", "held", data.continuity, 2]] },
    { id: "plot-requests", range: fromZero, format: (v) => short(v) + "/s",
      lines: [["all", "info", data.attempts, 1.5], ["errors", "warn", data.errors, 1.5],
        ["broken traces", "broken", data.broken, 1.5]] },
    { id: "plot-latency", range: fromZero, format: milliseconds,
      lines: [["p50", "p50", data.p50, 1.5], ["p95", "p95", data.p95, 1.5], ["p99", "p99", data.p99, 1.5]] },
  ];
  charts[0].lines[0][0] = "held of due";

  function phaseAt(s) {
    const phase = data.phases.find((p) => s >= p.from && s < p.to);
    return phase ? phase.name : "";
  }

  function shade(u) {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(left, top, width, height);
    u.ctx.clip();
    for (const p of data.phases) {
      const from = u.valToPos(p.from, "x", true), to = u.valToPos(p.to, "x", true);
      u.ctx.fillStyle = color(p.faulty ? "fault" : "calm");
      u.ctx.fillRect(from, top, to - from, height);
    }
    u.ctx.restore();
  }

  function drawLegend(chart, index) {
    const at = index === null || index === undefined ? null : seconds[index];
    const title = document.createElement("b");
    title.textContent = chart.box.dataset.title + (at === null ? "" : ` at ${clock(at)}`);
    const items = chart.lines.map(([name, shown, values]) => {
      const item = document.createElement("i");
      item.className = "i-" + shown;
      item.textContent = at === null ? name : `${name} ${chart.format(values[index])}`;
      return item;
    });
    chart.legend.replaceChildren(title, ...items);
  }

  // A chart is a slider over time for keyboards and screen readers: its value
  // in words is what the chart shows there.
  function speak(chart, index) {
    const words = chart.lines.map(([name, , values]) => `${name} ${chart.format(values[index])}`);
    const phase = phaseAt(seconds[index]);
    chart.box.setAttribute("aria-valuenow", index);
    chart.box.setAttribute("aria-valuetext",
      `${clock(seconds[index])}${phase ? ", phase " + phase : ""}: ${words.join(", ")}`);
  }

  function moveCursor(chart, index) {
    const u = chart.plot;
    u.setCursor({ left: u.valToPos(seconds[index], "x"), top: u.over.clientHeight / 2 }, true, true);
    speak(chart, index);
  }

  function prepare(chart) {
    chart.box = byId(chart.id);
    chart.legend = document.createElement("p");
    chart.legend.className = "legend";
    chart.legend.setAttribute("aria-hidden", "true");
    chart.host = document.createElement("div");
    chart.box.append(chart.legend, chart.host);
    chart.index = 0;
    const attributes = {
      role: "slider", tabindex: "0", "aria-label": chart.box.dataset.title + " over time",
      "aria-describedby": "plot-help", "aria-valuemin": "0", "aria-valuemax": String(seconds.length - 1),
    };
    for (const [name, value] of Object.entries(attributes)) chart.box.setAttribute(name, value);
    speak(chart, 0);
    chart.box.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.round(seconds.length / 10)), end = seconds.length - 1;
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -page, PageUp: page,
        Home: -end, End: end }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      chart.index = Math.min(end, Math.max(0, chart.index + step));
      moveCursor(chart, chart.index);
    });
  }

  function draw(chart, width) {
    if (chart.plot) chart.plot.destroy();
    const axis = { stroke: color("soft"), grid: { stroke: color("line"), width: 1 },
      ticks: { stroke: color("line"), width: 1 }, font: "12px system-ui, sans-serif" };
    chart.plot = new uPlot({
      width, height: chart.id === "plot-latency" ? 176 : 148, padding: [6, 20, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "run" }, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false, range: [0, last] }, y: { range: chart.range } },
      axes: [{ ...axis, values: (u, list) => list.map(clock), size: 28, space: 70,
        incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400] },
      { ...axis, values: (u, list) => list.map((v) => (v > 100 && chart.id === "plot-continuity" ? "" : chart.format(v))),
        size: gutter, space: 34 }],
      series: [{}, ...chart.lines.map(([label, shown, values, width]) => ({
        label, width, stroke: color(shown), points: { show: values.length < 3, size: 6, fill: color(shown) } }))],
      hooks: {
        drawClear: [shade],
        setCursor: [(u) => {
          drawLegend(chart, u.cursor.idx);
          if (typeof u.cursor.idx === "number" && u.cursor.idx !== chart.index) speak(chart, chart.index = u.cursor.idx);
        }],
      },
    }, [seconds, ...chart.lines.map((line) => line[2])], chart.host);
    drawLegend(chart, null);
  }

  function drawPhases(width) {
    const area = width - gutter - 20;
    byId("phases").replaceChildren(...data.phases.map((p) => {
      const label = document.createElement("span");
      label.textContent = p.name;
      label.title = p.toxics ? `${p.name}: ${p.toxics}` : p.name;
      label.className = p.faulty ? "faulty" : "";
      label.style.left = gutter + (p.from / last) * area + "px";
      label.style.width = ((p.to - p.from) / last) * area + "px";
      return label;
    }));
  }

  const card = document.querySelector(".plots");
  let drawn = 0;
  function drawAll(width) {
    drawn = width;
    drawPhases(width);
    for (const chart of charts) draw(chart, width);
  }
  const inner = () => Math.max(240, card.clientWidth - 24);

  charts.forEach(prepare);
  drawAll(inner());
  new ResizeObserver(() => { if (inner() !== drawn && !root.classList.contains("printing")) drawAll(inner()); }).observe(card);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(inner()));

  // Paper is white and as wide as it is; folded examples are unfolded on it.
  const paper = 660;
  let folded = [];
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    folded = examples.filter((example) => !example.open);
    for (const example of folded) example.open = true;
    drawAll(paper);
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    for (const example of folded) example.open = false;
    drawAll(inner());
  });
})();
