// One run: how far it is, why it failed, its log and bad records, and what may be done with it.

import { ask, listen } from "./talk.js";
import { at, bytes, count, dollars, el, number, say, seconds, shown, tasks, time } from "./show.js";

const DOES = { stop: "Stop", again: "Run again", resume: "Resume", redrive: "Run bad records again" };
const LEVELS = ["", "DEBUG", "INFO", "WARNING", "ERROR"];
// Milliseconds between two looks at the log of a run that moves, and until its last lines are there.
const LOG_EVERY = 3000, LOG_LATE = 7000;

export class Run {
  constructor(trouble, follow) {
    this.trouble = trouble;
    this.follow = follow;
    at("stop-no").addEventListener("click", () => at("stop").close());
    at("stop-yes").addEventListener("click", () => {
      at("stop").close();
      this.act("stop", at("stop-why").value);
    });
  }

  show(source, job, run) {
    this.hide();
    this.path = `/api/run/${source}/${encodeURIComponent(job)}/${encodeURIComponent(run)}`;
    this.told = {};
    this.pending = false;
    this.build(job, run);
    this.close = listen(`${this.path}/live`, (news) => this.heard(news), this.trouble);
  }

  hide() {
    this.close?.();
    this.close = null;
  }

  build(job, run) {
    const part = (name, ...children) => (this[name] = el("section", { class: name, hidden: true }, ...children));
    this.verdict = el("p", { class: "verdict", role: "status" });
    this.buttons = el("p", { class: "controls" });
    this.answer = el("p", { class: "answer", role: "status" });
    this.meters = el("div", { class: "meters" });
    this.facts = el("dl");
    this.logLines = el("div", { class: "lines", tabindex: "0", "aria-label": "Log" });
    this.level = el("select", { "aria-label": "level" }, ...LEVELS.map((name) => el("option", { value: name }, name || "all levels")));
    this.level.addEventListener("change", () => this.loadLog());
    this.log = el("details", { class: "log" }, el("summary", {}, "Log"), el("p", { class: "controls" }, this.level,
      el("button", { type: "button", click: () => this.loadLog() }, "Look again")), this.logLines);
    this.log.addEventListener("toggle", () => {
      if (!this.log.open) return;
      this.loadLog();
      // CloudWatch has the last lines some seconds after they were written.
      const path = this.path;
      setTimeout(() => path === this.path && this.log.open && this.loadLog(), LOG_LATE);
    });
    this.badLines = el("div");
    this.bad = el("details", { class: "bad", hidden: true }, el("summary", {}, "Bad records"), this.badLines);
    this.bad.addEventListener("toggle", () => this.bad.open && this.loadBad());
    this.title = el("h2", { tabindex: "-1" }, job, " ", el("small", {}, run));
    at("run").replaceChildren(
      el("p", {}, el("a", { href: "#/" }, "All runs")), this.title, this.verdict, this.meters, this.buttons, this.answer,
      part("wrong"), this.facts, part("counters"), this.bad, this.log,
    );
    this.title.focus();
    document.title = shown(`${job} ${run} - Sluice`);
  }

  heard(news) {
    if (news.problem) return this.trouble(new Error(news.problem));
    this.trouble(null);
    const before = this.news;
    this.news = news;
    say(this.verdict, verdict(news));
    this.verdict.className = `verdict ${news.phase}`;
    this.once("meters", [news.map, news.reduce, news.step, news.steps, news.phase], () => this.drawMeters());
    this.once("buttons", [news.can, news.report, this.pending], () => this.drawButtons());
    this.once("facts", { ...news, elapsed: 0, idle: 0 }, () => this.drawFacts());
    this.once("wrong", [news.reason, news.failures], () => this.drawWrong());
    this.once("counters", news.counters, () => this.drawCounters());
    this.bad.hidden = !news.bad;
    if (this.log.open && (news.last || !(Date.now() - this.logged < LOG_EVERY)) && before !== news) this.loadLog();
  }

  // Draws a part if what it shows is news: the rest keeps its focus, and what is selected in it.
  once(name, value, draw) {
    const text = JSON.stringify(value);
    if (this.told[name] === text) return;
    this.told[name] = text;
    draw();
  }

  drawMeters() {
    const { map, reduce, measured, phase } = this.news;
    this.meters.replaceChildren(...[["map", map, measured[0]], ["reduce", reduce, measured[1]]].map(([name, done, used]) => el(
      "div", { class: "meter-row" }, el("label", { for: `meter-${name}` }, name),
      el("progress", { id: `meter-${name}`, value: done[0] ?? 0, max: Math.max(done[1] ?? 0, done[0] ?? 0, 1) }),
      el("span", {}, `${tasks(done)} tasks`),
      el("span", { class: "dim" }, used.tasks ? `read ${bytes(used.bytes_in)}, ${count(used.records_in, "record")}; wrote ${bytes(used.bytes_out)}, ${count(used.records_out, "record")}` : ""),
    )));
    this.meters.classList.toggle("failed", phase === "failed");
  }

  drawButtons() {
    const { can, report } = this.news;
    const focused = document.activeElement?.dataset?.does;
    this.buttons.replaceChildren(
      el("a", { class: "button", href: report, target: "_blank", rel: "noopener" }, "Report"),
      ...can.map((name) => el("button", {
        type: "button", "data-does": name, class: name === "stop" ? "danger" : "", disabled: this.pending,
        click: () => (name === "stop" ? this.confirm() : this.act(name)),
      }, DOES[name])),
    );
    if (focused) this.buttons.querySelector(`[data-does=${focused}]`)?.focus();
  }

  confirm() {
    at("stop-why").value = "";
    at("stop").showModal();
  }

  async act(name, body = "") {
    const path = this.path;
    this.busy(true);
    say(this.answer, `${DOES[name]}: under way`);
    try {
      const { told, follow } = await ask(`${path}/${name}`, { method: "POST", body });
      if (follow) this.follow(follow, told);
      if (path === this.path) say(this.answer, told || "done");
    } catch (error) {
      if (path === this.path) say(this.answer, error.message);
    }
    if (path === this.path) this.busy(false);
  }

  busy(pending) {
    this.pending = pending;
    for (const button of this.buttons.querySelectorAll("button")) button.disabled = pending;
    this.told.buttons = "";
  }

  drawFacts() {
    const n = this.news, rows = [];
    const add = (name, value) => value && rows.push(el("dt", {}, name), el("dd", {}, value));
    add("began", n.started === null ? "" : `${time(n.started)} UTC`);
    add("started by", n.source);
    add("input", n.inputs[0] === null ? "" : `${count(n.inputs[0], "object")}${n.inputs[1] === null ? "" : `, ${bytes(n.inputs[1])}`}`);
    add("results", n.output);
    add("records", n.output_records === null ? "" : `${number(n.output_records)} in ${count(n.parts, "part")}, ${bytes(n.output_bytes ?? 0)}`);
    add("failed attempts", n.attempts_failed ? number(n.attempts_failed) : "");
    add("bad records", n.bad ? number(n.bad) : "");
    add("cost", n.cost === null ? "" : `${n.cost < 0.0001 ? "" : "about "}${dollars(n.cost)} on AWS`);
    add("state", n.work);
    if (n.expired) add("note", "its plan and markers are gone (the work place's lifecycle rule)");
    this.facts.replaceChildren(...rows);
  }

  drawWrong() {
    const { reason, failures, phase } = this.news;
    this.wrong.hidden = !reason && !failures.length;
    this.wrong.replaceChildren(
      el("h3", {}, phase === "failed" ? "Why it failed" : "What went wrong"),
      ...(reason ? [el("p", { class: "reason" }, reason)] : []),
      ...failures.map((one) => el("article", {},
        el("h4", {}, `${one.phase} task ${one.task}, attempt ${one.attempt}`),
        reason.endsWith(one.message) ? null : el("p", { class: "reason" }, one.message),
        one.detail ? el("pre", { class: "traceback", tabindex: "0" }, one.detail) : null)),
    );
  }

  drawCounters() {
    const named = Object.entries(this.news.counters).sort(([a], [b]) => (a < b ? -1 : 1));
    this.counters.hidden = !named.length;
    this.counters.replaceChildren(el("h3", {}, "Counters"), el("dl", {}, ...named.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, number(value))])));
  }

  async loadLog() {
    const path = this.path, below = this.logLines.scrollHeight - this.logLines.scrollTop - this.logLines.clientHeight < 40;
    this.logged = Date.now();
    try {
      const { total, lines } = await ask(`${path}/log?${new URLSearchParams({ level: this.level.value })}`);
      if (path !== this.path) return;
      const left = total - lines.length;
      this.logLines.replaceChildren(
        ...(left ? [el("p", { class: "dim" }, `${number(left)} earlier lines are not shown; scripts/logs.py shows all`)] : []),
        ...(total ? [] : [el("p", { class: "dim" }, "nothing has been logged")]),
        ...lines.map(logLine));
      if (below) this.logLines.scrollTop = this.logLines.scrollHeight;
    } catch (error) {
      if (path === this.path) this.logLines.replaceChildren(el("p", { class: "reason" }, error.message));
    }
  }

  async loadBad() {
    const path = this.path;
    try {
      const { total, kinds, records } = await ask(`${path}/bad`);
      if (path !== this.path) return;
      const told = kinds.map(([kind, n]) => `${number(n)} ${kind}`).join(", ");
      this.badLines.replaceChildren(
        el("p", {}, `${count(total, "bad record")}: ${told}${total > records.length ? `; the first ${number(records.length)}:` : ""}`),
        ...records.map((one) => el("details", {},
          el("summary", {}, `${where(one)}: ${one.error}`), el("pre", { tabindex: "0" }, one.text), el("pre", { class: "traceback", tabindex: "0" }, one.traceback))));
    } catch (error) {
      if (path === this.path) this.badLines.replaceChildren(el("p", { class: "reason" }, error.message));
    }
  }
}

function where({ phase, source, offset, line }) {
  const place = phase === "map" ? source : `group of key ${source}`;
  return `${place}${offset === null ? "" : `, byte ${offset}`}${line === null ? "" : `, line ${line}`}`;
}

function verdict({ phase, step, steps, ended, elapsed, idle }) {
  const of = steps > 1 ? `, step ${step} of ${steps}` : "";
  const quiet = !ended && idle > 60 ? `; it has written nothing for ${seconds(idle)}` : "";
  return `${phase}${of}${elapsed === null ? "" : ended ? ` after ${seconds(elapsed)}` : `, for ${seconds(elapsed)}`}${quiet}`;
}

function logLine(line) {
  const who = "task" in line && "phase" in line ? `${line.phase} ${line.task}.${line.attempt ?? 0}` : line.function || "";
  const head = `${time(line.at).slice(11)}  ${who.padEnd(11)}  ${line.level === "INFO" ? "" : `${line.level}  `}`;
  const below = line.traceback ? `\n${line.traceback}` : "";
  return el("pre", { class: `line ${line.level}` }, `${head}${line.message ?? ""}${below}`);
}
