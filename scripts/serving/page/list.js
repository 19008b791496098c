// The list of runs, newest first. Only rows that are seen are there, and only their pages are asked for: ten thousand
// runs scroll like ten.

import { ask, listen } from "./talk.js";
import { address, at, count, dollars, el, far, number, say, seconds, tasks, time } from "./show.js";

const PAGE = 100, BEYOND = 8;

export class List {
  constructor(titles, trouble) {
    this.titles = titles;
    this.trouble = trouble;
    this.box = at("runs");
    this.rows = new Map();
    this.forget();
    this.stop = null;
    this.known = -1;
    addEventListener("scroll", () => this.draw(), { passive: true });
    addEventListener("resize", () => this.draw());
    this.box.addEventListener("keydown", (event) => this.key(event));
    for (const id of ["by-job", "by-standing"]) at(id).addEventListener("change", () => this.again());
    let soon = 0;
    at("by-text").addEventListener("input", () => {
      clearTimeout(soon);
      soon = setTimeout(() => this.again(), 200);
    });
  }

  // What is known of the list: its pages, of which some may be old, and how long it is.
  forget() {
    this.pages = new Map();
    this.old = new Set();
    this.asked = new Map();
    this.total = 0;
    this.turn = (this.turn ?? 0) + 1;
  }

  show() {
    this.stop ??= listen("/api/live", (news) => this.heard(news), this.trouble);
    this.stale();
  }

  hide() {
    this.stop?.();
    this.stop = null;
  }

  again() {
    this.forget();
    scrollTo(0, 0);
    this.load(0);
  }

  stale() {
    for (const page of this.pages.keys()) this.old.add(page);
    this.load(0);  // says how many there are, too
    this.draw();
  }

  heard(news) {
    if (news.problem) return this.trouble(new Error(news.problem));
    this.trouble(null, news.problems);
    const named = new Map(news.rows.map((row) => [address(row), row]));
    for (const rows of this.pages.values()) {
      rows.forEach((row, i) => {
        const fresh = named.get(address(row));
        if (fresh) rows[i] = fresh;
      });
    }
    if (this.known !== -1 && (news.known !== this.known || at("by-standing").value)) this.stale();
    this.known = news.known;
    this.draw();
  }

  query(page) {
    const [source, job] = (at("by-job").value || " ").split(" ");
    const asked = { source, job, standing: at("by-standing").value, text: at("by-text").value.trim() };
    return new URLSearchParams({ ...asked, first: page * PAGE, count: PAGE });
  }

  async load(page) {
    const turn = this.turn;
    if (this.asked.has(page)) return;
    this.asked.set(page, true);
    try {
      const found = await ask(`/api/runs?${this.query(page)}`);
      if (turn !== this.turn) return;
      this.pages.set(page, found.rows);
      this.old.delete(page);
      this.total = found.total;
      const whole = found.looked === found.known;
      say(at("counted"), whole ? count(found.total, "run") : `${count(found.total, "run")} of the newest ${number(found.looked)}; looking on`);
      if (!whole) setTimeout(() => { if (turn === this.turn) this.load(page); }, 50);
      this.trouble(null);
    } catch (error) {
      if (turn === this.turn) this.trouble(error);
    } finally {
      if (turn === this.turn) this.asked.delete(page);
    }
    this.draw();
  }

  // Rows that are in sight, and some beyond; those that were there stay the elements that they are, with the focus.
  draw() {
    if (at("list").hidden) return;
    const height = parseFloat(getComputedStyle(this.box).getPropertyValue("--row")) * parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.box.style.height = `${this.total * height}px`;
    const above = -this.box.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / height) - BEYOND);
    const last = Math.min(this.total, Math.ceil((above + innerHeight) / height) + BEYOND);
    for (const [index, row] of this.rows) {
      if (index < first || index >= last) {
        row.remove();
        this.rows.delete(index);
      }
    }
    for (let index = first; index < last; index++) {
      let row = this.rows.get(index);
      if (!row) {
        row = blank(index);
        row.style.transform = `translateY(${index * height}px)`;
        this.rows.set(index, row);
        this.box.append(row);
      }
      row.style.transform = `translateY(${index * height}px)`;
      row.setAttribute("aria-setsize", this.total);
      fill(row.firstChild, this.pages.get(Math.floor(index / PAGE))?.[index % PAGE], this.titles);
    }
    clearTimeout(this.fetching);
    this.fetching = setTimeout(() => this.fetch(first, last), 60);
  }

  fetch(first, last) {
    if (at("list").hidden || last <= first) return;
    for (let page = Math.floor(first / PAGE); page <= Math.floor((last - 1) / PAGE); page++) {
      if (!this.pages.has(page) || this.old.has(page)) this.load(page);
    }
  }

  key(event) {
    const item = event.target.closest("[role=listitem]");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!item || !step) return;
    const next = this.rows.get(Number(item.getAttribute("aria-posinset")) - 1 + step);
    if (!next) return;
    event.preventDefault();
    next.firstChild.focus();
  }
}

const PARTS = ["phase", "job", "id", "meter", "parts", "when", "notes"];

function blank(index) {
  const link = el("a", { class: "row" }, ...PARTS.map((name) => el("span", { class: name })));
  link.children[3].append(el("i"));
  return el("div", { role: "listitem", "aria-posinset": index + 1 }, link);
}

export function fill(link, row, titles) {
  const part = Object.fromEntries(PARTS.map((name, i) => [name, link.children[i]]));
  if (!row) {
    link.removeAttribute("href");
    link.className = "row empty";
    for (const name of PARTS) if (name !== "meter") say(part[name], "");
    part.meter.firstChild.style.width = "0";
    return;
  }
  const to = address(row);
  if (link.getAttribute("href") !== to) link.setAttribute("href", to);
  link.className = `row ${row.phase}`;
  const where = titles[row.place];
  say(part.phase, row.phase);
  say(part.job, where && where !== row.job ? `${row.job} (${where})` : row.job);
  say(part.id, row.run);
  part.meter.firstChild.style.width = `${100 * far(row)}%`;
  const step = row.steps > 1 ? `step ${row.step} of ${row.steps}, ` : "";
  say(part.parts, `${step}map ${tasks(row.map)}, reduce ${tasks(row.reduce)}`);
  say(part.when, [time(row.started).slice(5), seconds(row.elapsed)].filter(Boolean).join(", "));
  say(part.notes, notes(row).join(", "));
  for (const name of ["job", "notes"]) part[name].title = part[name].textContent;
}

function notes(row) {
  const told = [];
  if (row.failed) told.push(count(row.failed, "failed attempt"));
  if (row.bad) told.push(count(row.bad, "bad record"));
  if (row.records !== null && row.ended) told.push(count(row.records, "record"));
  if (row.cost !== null) told.push(dollars(row.cost));
  return told;
}
