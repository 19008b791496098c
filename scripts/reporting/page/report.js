// Draws the timeline and the charts of a report. All words and tables are in the page already; nothing is fetched.
"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const attempts = figures.attempts, total = attempts.n;
  const column = (name) => Array.isArray(attempts[name]) ? attempts[name] : new Array(total).fill(attempts[name]);
  const [group, task, number, outcome, ready, start, end] =
    ["group", "task", "attempt", "outcome", "ready", "start", "end"].map(column);
  const [init, starting, reading, code, cold, starts, slow] =
    ["init", "starting", "reading", "code", "cold", "starts", "slow"].map(column);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const length = Math.max(figures.length, 1);

  // -- words ------------------------------------------------------------------------------------------

  const bytes = (size) => {
    if (size == null) return "";
    let unit = 0;
    while (size >= 1023.95 && unit < 5) { size /= 1024; unit++; }
    return `${unit ? size.toFixed(1) : size} ${["B", "KiB", "MiB", "GiB", "TiB", "PiB"][unit]}`;
  };
  const count = (value) => value == null ? "" : value.toLocaleString("en");
  const seconds = (ms) => ms < 9950 ? `${(ms / 1000).toFixed(ms < 995 ? 3 : 1)}s`
    : ms < 60000 ? `${Math.round(ms / 1000)}s`
    : ms < 3600000 ? `${Math.floor(ms / 60000)}m ${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}s`
    : `${Math.floor(ms / 3600000)}h ${String(Math.floor(ms / 60000) % 60).padStart(2, "0")}m`;

  const describe = (i) => {
    const at = (name) => Array.isArray(attempts[name]) ? attempts[name][i] : attempts[name];
    const words = [`${attempts.groups[group[i]]} task ${task[i]}, attempt ${number[i]}: ${figures.outcomes[outcome[i]]}`];
    if (slow[i]) words.push("a straggler");
    if (start[i] >= 0 && end[i] >= 0) {
      words.push(`from ${seconds(start[i])} to ${seconds(end[i])}, ${seconds(end[i] - start[i])}`);
      if (ready[i] >= 0 && start[i] > ready[i]) words.push(`waited ${seconds(start[i] - ready[i])}`);
    }
    if (starts[i]) {
      words.push(cold[i] ? `cold start${init[i] > 0 ? `, ${seconds(init[i])} until the process was ready` : ""}` : "warm start");
      if (starts[i] > 1) words.push(`${starts[i]} invocations`);
      words.push(`start ${seconds(starting[i])}, read ${seconds(reading[i])}, code ${seconds(code[i])}`);
      if (at("peak")) words.push(`${count(at("peak"))}${at("memory") ? ` of ${count(at("memory"))}` : ""} MiB`);
    }
    words.push(`in ${bytes(at("bytes_in"))}, ${count(at("records_in"))} records`);
    words.push(`out ${bytes(at("bytes_out"))}, ${count(at("records_out"))} records`);
    if (at("spilled")) words.push(`spilled ${bytes(at("spilled"))}`);
    if (at("bad")) words.push(`${count(at("bad"))} bad records`);
    return words.join("; ");
  };

  // `#rgb` or `#rrggbb` as a pixel of an image: the bytes red, green, blue, opaque, in that order.
  const ink = (colour) => {
    const digits = colour.length === 4 ? [...colour.slice(1)].map((digit) => digit + digit).join("") : colour.slice(1);
    const bytes = new Uint8Array([0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16)).concat(255));
    return new Uint32Array(bytes.buffer)[0];
  };

  // -- the timeline -----------------------------------------------------------------------------------

  const KINDS = [["wait", "waiting"], ["cold", "cold start"], ["warm", "start"], ["read", "read"], ["code", "code"],
    ["write", "sort and write"], ["merge", "fetch, merge and write"],
    ["whole", "work, not told apart"], ["failed", "failed"], ["overtaken", "overtaken"],
    ["lost", "lost or cut off"], ["slow", "straggler"]];
  const canvas = document.getElementById("canvas");

  function timeline() {
    const brush = canvas.getContext("2d"), told = document.getElementById("told");
    // A row for each task; its attempts share it. `order` has the rows' first attempts.
    const firsts = [], row = new Int32Array(total);
    for (let i = 0; i < total; i++) {
      if (!i || group[i] !== group[i - 1] || task[i] !== task[i - 1]) firsts.push(i);
      row[i] = firsts.length - 1;
    }
    const rows = firsts.length, place = new Int32Array(rows), at = new Int32Array(rows);
    const last = (r) => (r + 1 < rows ? firsts[r + 1] : total) - 1;
    const begins = (r) => { let b = Infinity; for (let i = firsts[r]; i <= last(r); i++) if (start[i] >= 0) b = Math.min(b, start[i]); return b; };
    const lasts = (r) => { let e = 0; for (let i = firsts[r]; i <= last(r); i++) e = Math.max(e, end[i] - start[i]); return e; };
    const arrange = (how) => {
      const ids = [...firsts.keys()];
      const key = how === "begin" ? ids.map(begins) : how === "longest" ? ids.map((r) => -lasts(r)) : ids;
      ids.sort((a, b) => group[firsts[a]] - group[firsts[b]] || key[a] - key[b] || a - b);
      ids.forEach((r, p) => { place[r] = p; at[p] = r; });
    };
    arrange("task");

    // What is seen: time [x0, x1) and rows [y0, y1).
    const view = { x0: 0, x1: length, y0: 0, y1: rows };
    const colours = {}, inks = {};
    let chosen = -1, asked = false, width = 0, height = 0;
    const margin = 22;

    const bars = Object.fromEntries(KINDS.map(([name]) => [name, []]));
    const reduces = attempts.groups.map((name) => name.endsWith("reduce"));
    const parts = (i) => [[cold[i] ? "cold" : "warm", starting[i]],
      [reduces[group[i]] ? "merge" : "read", reading[i]], ["code", code[i]]];
    // The parts of an attempt as (kind, from, to), the same whatever is seen: made once.
    for (let i = 0; i < total; i++) {
      const put = (kind, from, to) => { if (to > from || kind !== "wait") bars[kind].push(i, from, to); };
      const name = figures.outcomes[outcome[i]];
      if (start[i] < 0) continue;
      const there = cold[i] > 0 ? Math.max(start[i] - init[i], ready[i], 0) : start[i];
      if (ready[i] >= 0) put("wait", ready[i], there);
      if (there < start[i]) put("cold", there, start[i]);
      if (name === "under way") { put("wait", start[i], end[i]); continue; }
      if (name === "lost" || name === "cut off") { put("lost", start[i], end[i]); continue; }
      if (name === "failed" || name === "overtaken") { put(name, start[i], end[i]); continue; }
      if (starts[i] <= 1 && starting[i] + reading[i] + code[i] > 0) {
        let now = start[i];
        for (const [kind, long] of parts(i)) {
          const next = Math.min(end[i], now + long);
          if (next > now) put(kind, now, next);
          now = next;
        }
        put("write", now, end[i]);
      } else put("whole", start[i], end[i]);
    }
    for (let i = 0; i < total; i++) if (slow[i] && start[i] >= 0) bars.slow.push(i, start[i], end[i]);

    // Pixels are written by hand: tens of thousands of bars take a canvas's own rectangles a quarter of a second.
    let image = null, pixels = null;

    function draw() {
      asked = false;
      const scale = devicePixelRatio || 1, box = canvas.getBoundingClientRect();
      const wide = Math.round(box.width * scale), high = Math.round(box.height * scale);
      if (!wide || !high) return;
      width = box.width; height = box.height - margin;
      if (!image || image.width !== wide || image.height !== high) {
        canvas.width = wide; canvas.height = high;
        image = brush.createImageData(wide, high);
        pixels = new Uint32Array(image.data.buffer);
      }
      pixels.fill(inks.ground);
      const perMs = wide / (view.x1 - view.x0), room = Math.floor(height * scale), perRow = room / (view.y1 - view.y0);
      const thick = Math.max(1, Math.round(perRow > 4 * scale ? perRow - scale : perRow));
      for (const [kind] of KINDS) {
        const list = bars[kind], ink = inks[kind];
        for (let k = 0; k < list.length; k += 3) {
          const i = list[k], x = (list[k + 1] - view.x0) * perMs, right = (list[k + 2] - view.x0) * perMs;
          if (right < 0 || x > wide) continue;
          let top = Math.floor((place[row[i]] - view.y0) * perRow), end = top + thick;
          if (end <= 0 || top >= room) continue;
          // An attempt beside another is drawn in the lower half; a straggler is underlined.
          if (kind === "slow") top = Math.min(end - 1, top + Math.round(thick * 5 / 6));
          else if (number[i] % 2 && thick >= 4) top += thick >> 1;
          const from = Math.max(0, Math.floor(x)), to = Math.min(wide, kind === "wait" ? Math.floor(right) : Math.max(from + 1, Math.round(right)));
          if (to <= from) continue;
          end = Math.min(end, room);
          for (let y = Math.max(top, 0); y < end; y++) pixels.fill(ink, y * wide + from, y * wide + to);
        }
      }
      brush.putImageData(image, 0, 0);
      brush.setTransform(scale, 0, 0, scale, 0, 0);
      axis(perMs / scale, perRow / scale, thick / scale);
    }

    function axis(perMs, perRow, thick) {
      brush.font = "12px system-ui, sans-serif"; brush.textBaseline = "middle";
      brush.fillStyle = colours.ground; brush.fillRect(0, height, width, margin);
      let step = 10 ** Math.floor(Math.log10((view.x1 - view.x0) / 4));
      for (const more of [2, 2.5, 2]) if ((view.x1 - view.x0) / step > Math.max(3, width / 90)) step *= more;
      brush.strokeStyle = colours.line; brush.lineWidth = 1; brush.beginPath();
      brush.fillStyle = colours.dim;
      for (let t = Math.ceil(view.x0 / step) * step; t <= view.x1; t += step) {
        const x = Math.round((t - view.x0) * perMs) + 0.5;
        brush.moveTo(x, 0); brush.lineTo(x, height + 4);
        const label = seconds(t), wide = brush.measureText(label).width;
        brush.fillText(label, Math.min(Math.max(x - wide / 2, 0), width - wide), height + 13);
      }
      brush.stroke();
      let seen = -1;
      for (let p = Math.max(0, Math.floor(view.y0)); p < Math.min(rows, view.y1); p++) {
        const g = group[firsts[at[p]]];
        if (g === seen) continue;
        seen = g;
        const y = Math.max(0, (p - view.y0) * perRow);
        brush.fillStyle = colours.text; brush.globalAlpha = 0.55; brush.fillRect(0, y, width, 1); brush.globalAlpha = 1;
        const wide = brush.measureText(attempts.groups[g]).width;
        brush.fillStyle = colours.ground; brush.globalAlpha = 0.8; brush.fillRect(3, y + 2, wide + 6, 16);
        brush.globalAlpha = 1; brush.fillStyle = colours.text; brush.fillText(attempts.groups[g], 6, y + 10);
      }
      if (figures.ended >= 0 && figures.ended < length * 0.99) {
        // What goes on after the run's end counts for nothing, but is paid for.
        const x = Math.round((figures.ended - view.x0) * perMs) + 0.5;
        brush.strokeStyle = colours.text; brush.setLineDash([4, 3]); brush.beginPath();
        brush.moveTo(x, 0); brush.lineTo(x, height); brush.stroke(); brush.setLineDash([]);
        brush.fillStyle = colours.text; brush.fillText("the run's end", x + 5, height - 10);
      }
      if (chosen >= 0 && start[chosen] >= 0) {
        const x = (start[chosen] - view.x0) * perMs, y = (place[row[chosen]] - view.y0) * perRow;
        brush.strokeStyle = colours.text; brush.lineWidth = 2;
        brush.strokeRect(x - 1, y - 1, Math.max((end[chosen] - start[chosen]) * perMs, 3) + 2, thick + 2);
      }
    }

    const ask = () => { if (!asked) { asked = true; requestAnimationFrame(draw); } };
    const recolour = () => {
      for (const name of ["ground", "text", "dim", "line", ...KINDS.map(([kind]) => kind)]) {
        colours[name] = style(name);
        inks[name] = ink(colours[name]);
      }
      draw();  // at once: paper does not wait for the next frame
    };
    const within = (low, high, least, most) => {
      const long = Math.min(Math.max(high - low, least), most);
      low = Math.min(Math.max(low, 0), most - long);
      return [low, low + long];
    };
    const move = (dx, dy) => {
      [view.x0, view.x1] = within(view.x0 + dx, view.x1 + dx, view.x1 - view.x0, length);
      [view.y0, view.y1] = within(view.y0 + dy, view.y1 + dy, view.y1 - view.y0, rows);
      ask();
    };
    const zoom = (factor, x = 0.5, y = null, rowFactor = 1) => {
      const px = view.x0 + (view.x1 - view.x0) * x;
      [view.x0, view.x1] = within(px - (px - view.x0) * factor, px + (view.x1 - px) * factor, length / 1e5, length);
      const share = y ?? 0.5, py = view.y0 + (view.y1 - view.y0) * share;
      [view.y0, view.y1] = within(py - (py - view.y0) * rowFactor, py + (view.y1 - py) * rowFactor, Math.min(4, rows), rows);
      ask();
    };
    const all = () => { Object.assign(view, { x0: 0, x1: length, y0: 0, y1: rows }); ask(); };
    const choose = (i, follow) => {
      if (i === chosen || i < 0 || i >= total) return;
      chosen = i;
      told.textContent = describe(i);
      if (follow) {
        const p = place[row[i]];
        if (p < view.y0 || p + 1 > view.y1) move(0, p - (view.y0 + view.y1) / 2);
        if (start[i] >= 0 && (end[i] < view.x0 || start[i] > view.x1)) move(start[i] - (view.x0 + view.x1) / 2, 0);
      }
      ask();
    };
    const next = (by) => {
      if (chosen < 0) return choose(firsts[at[Math.max(0, Math.floor(view.y0))]], true);
      const inside = chosen + by;
      if (inside >= 0 && inside < total && row[inside] === row[chosen]) return choose(inside, true);
      const p = place[row[chosen]] + by;
      if (p >= 0 && p < rows) choose(by > 0 ? firsts[at[p]] : last(at[p]), true);
    };
    const under = (x, y) => {
      const p = Math.floor(view.y0 + y / height * (view.y1 - view.y0));
      if (y > height || p < 0 || p >= rows) return -1;
      const time = view.x0 + x / width * (view.x1 - view.x0);
      let best = -1, far = Infinity;
      for (let i = firsts[at[p]]; i <= last(at[p]); i++) {
        const away = Math.max(start[i] - time, time - end[i], 0);
        if (away <= far) { far = away; best = i; }
      }
      return best;
    };

    // Pointers: one drags, two zoom.
    const held = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, [event.offsetX, event.offsetY]);
      choose(under(event.offsetX, event.offsetY), false);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = held.get(event.pointerId);
      if (!before) { if (event.pointerType === "mouse") choose(under(event.offsetX, event.offsetY), false); return; }
      if (held.size === 2) {
        const [a, b] = [...held.values()], wide = Math.abs(a[0] - b[0]) || 1;
        held.set(event.pointerId, [event.offsetX, event.offsetY]);
        const [c, d] = [...held.values()];
        zoom(wide / (Math.abs(c[0] - d[0]) || 1), (c[0] + d[0]) / 2 / width);
        return;
      }
      held.set(event.pointerId, [event.offsetX, event.offsetY]);
      move((before[0] - event.offsetX) / width * (view.x1 - view.x0), (before[1] - event.offsetY) / height * (view.y1 - view.y0));
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => held.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => {
      // The page scrolls on, unless somebody works with the timeline.
      if (!event.ctrlKey && document.activeElement !== canvas) return;
      event.preventDefault();
      const factor = Math.exp(Math.max(-100, Math.min(100, event.deltaY || event.deltaX)) / 300);
      if (event.shiftKey) zoom(1, 0.5, event.offsetY / height, factor);
      else zoom(factor, event.offsetX / width);
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => zoom(0.4, event.offsetX / width, event.offsetY / height, 0.4));
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const dx = (view.x1 - view.x0) / 8, dy = (view.y1 - view.y0) / 8;
      const done = {
        ArrowLeft: () => move(-dx, 0), ArrowRight: () => move(dx, 0), ArrowUp: () => move(0, -dy), ArrowDown: () => move(0, dy),
        "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1 / 0.7), 0: all, Home: all,
        "]": () => zoom(1, 0.5, 0.5, 0.7), "[": () => zoom(1, 0.5, 0.5, 1 / 0.7),
        n: () => next(1), p: () => next(-1),
      }[event.key];
      if (done) { event.preventDefault(); done(); }
    });
    const buttons = { in: () => zoom(0.6, 0.5, 0.5, 0.6), out: () => zoom(1 / 0.6, 0.5, 0.5, 1 / 0.6), all };
    for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", buttons[button.dataset.do]);
    const order = document.getElementById("order");
    order.addEventListener("change", () => { arrange(order.value); ask(); });

    legend(KINDS.filter(([kind]) => bars[kind].length));
    new ResizeObserver(ask).observe(canvas);
    recolour();
    return recolour;
  }

  function legend(kinds) {
    const space = "http://www.w3.org/2000/svg", list = document.getElementById("legend");
    for (const [kind, name] of kinds) {
      const item = document.createElement("span"), mark = document.createElementNS(space, "svg");
      const square = document.createElementNS(space, "rect");
      mark.setAttribute("viewBox", "0 0 8 8"); mark.setAttribute("aria-hidden", "true");
      square.setAttribute("width", "8"); square.setAttribute("height", kind === "slow" ? "2" : "8");
      square.setAttribute("y", kind === "slow" ? "6" : "0"); square.setAttribute("fill", `var(--${kind})`);
      mark.append(square); item.append(mark, name); list.append(item);
    }
  }

  // -- the charts -------------------------------------------------------------------------------------

  const drawn = [];

  function chart(id, data, series, { height = 180, format = count, xs = "", room = 0 } = {}) {
    const home = document.getElementById(id);
    if (!home || !data[0].length) return;
    const make = () => {
      const grid = { stroke: style("line"), width: 1 }, axes = { stroke: style("dim"), grid, ticks: grid };
      const short = (_, values) => values.map((value) => Number.isInteger(value) || format === bytes ? format(value) : "");
      return new uPlot({
        width: Math.max(home.clientWidth, 200), height, scales: {
          x: { time: false, range: (_, low, high) => [low - room, high + room] },
          y: { range: (_, low, high) => [0, Math.max(high, 1) * 1.05] },
        },
        cursor: { y: false },
        axes: [
          { ...axes, values: (_, values) => values.map((value) => xs === "s" ? seconds(value * 1000) : Number.isInteger(value) && value < data[0].length ? count(value) : "") },
          { ...axes, size: 76, values: short },
        ],
        series: [
          { label: xs === "s" ? "at" : xs, value: (_, value) => value == null ? "" : xs === "s" ? seconds(value * 1000) : count(value) },
          ...series.map(({ label, colour, paths }) => ({
            label, paths, stroke: style(colour), fill: `${style(colour)}55`, width: 1, points: { show: false },
            value: (_, value) => value == null ? "" : format(value),
          })),
        ],
      }, data, home);
    };
    const one = { plot: make(), again() { one.plot.destroy(); one.plot = make(); } };
    new ResizeObserver(() => one.plot.setSize({ width: Math.max(home.clientWidth, 200), height })).observe(home);
    drawn.push(one);
  }

  function charts() {
    const stepped = uPlot.paths.stepped({ align: 1 }), columns = uPlot.paths.bars({ size: [0.9, 100], align: 0 });
    const { seconds: at, ...phases } = figures.at_once;
    const colours = { map: "code", exchange: "read", reduce: "write" };
    const shown = Object.keys(colours).filter((name) => name === "map" || phases[name].some(Boolean));
    const series = shown.map((name) => ({ label: name, colour: colours[name], paths: stepped }));
    chart("chart-at-once", [at, ...shown.map((name) => phases[name])], series, { xs: "s" });
    for (const { id, x, y, values } of figures.bars) {
      const one = [{ label: y, colour: y === "bytes" ? "code" : "write", paths: columns }];
      chart(id, [values.map((_, i) => i), values], one, { xs: x, room: 0.5, format: y === "bytes" ? bytes : count });
    }
  }

  const recolour = canvas && total ? timeline() : () => {};
  charts();
  const again = () => { recolour(); for (const one of drawn) one.again(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  // Paper is light.
  addEventListener("beforeprint", () => { document.documentElement.dataset.light = ""; again(); });
  addEventListener("afterprint", () => { delete document.documentElement.dataset.light; again(); });
})();
