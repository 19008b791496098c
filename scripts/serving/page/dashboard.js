// What is shown: the list, or a run, by what follows # in the page's address; and what was started from here.

import { ask, listen, takeToken } from "./talk.js";
import { address, at, count, el, say } from "./show.js";
import { Drop } from "./drop.js";
import { fill, List } from "./list.js";
import { Run } from "./run.js";

let problems = [];

// Says what is wrong, or that it no longer is; `known` are places that cannot be read, which stay.
function trouble(error, known) {
  if (known) problems = known;
  const text = [error?.message, ...problems].filter(Boolean).join("\n");
  at("trouble").hidden = !text;
  say(at("trouble"), text);
}

function started(titles, open) {
  return (follow, told, first = false) => {
    const state = el("p", {}, "waiting for the run to begin"), rows = el("div", { class: "rows" });
    const hide = el("button", { type: "button", "aria-label": "Hide this" }, "\u00d7");
    const box = el("article", {}, state, rows, hide);
    const here = location.hash;
    let seen = false;
    const stop = listen(`/api/follow/${follow}`, (news) => {
      if (news.problem) return say(state, news.problem);
      const waits = news.waiting ? `waiting for ${count(news.waiting, "run")} to begin` : "";
      const late = news.late && news.waiting ? `${waits}, for long: is the job deployed?` : waits;
      say(state, [`${news.job}: you started ${count(news.rows.length, "run")}`, late, ...news.unknown].filter(Boolean).join("; "));
      while (rows.children.length < news.rows.length) rows.append(blankRow());
      news.rows.forEach((row, i) => fill(rows.children[i], row, titles));
      // The one run that was asked for is shown, unless somebody has gone elsewhere meanwhile.
      if (!seen && news.rows.length === 1 && !news.waiting && location.hash === here) open(address(news.rows[0]));
      seen ||= news.rows.length > 0;
    }, (error) => say(state, error.message));
    hide.addEventListener("click", () => { stop(); box.remove(); });
    at("following").prepend(box);
    if (first) state.setAttribute("title", told);
  };
}

function blankRow() {
  const link = el("a", { class: "row" }, ...Array.from({ length: 7 }, (_, i) => el("span", { class: ["phase", "job", "id", "meter", "parts", "when", "notes"][i] })));
  link.children[3].append(el("i"));
  return link;
}

async function begin() {
  takeToken();
  let told;
  try {
    told = await ask("/api/sources");
  } catch (error) {
    return trouble(error);
  }
  const { sources } = told;
  trouble(null, told.problems);
  at("by-job").append(el("option", { value: "" }, "all jobs"), ...sources.flatMap((source, index) => [
    el("option", { value: `${index} ` }, source.title),
    ...(source.deployed ? [] : source.jobs.map((job) => el("option", { value: `${index} ${job}` }, `${source.title}: ${job}`))),
  ]));
  if (!sources.length) trouble(new Error("no job of jobs/ runs on AWS, and no work folder was named: scripts/dashboard.py --work PLACE"));
  const titles = sources.map((source) => (source.deployed || sources.length === 1 ? "" : source.title));
  const follow = started(titles, (to) => { location.hash = to; });
  const list = new List(titles, trouble), run = new Run(trouble, follow);
  new Drop(sources, follow);
  let scrolled = 0;

  function route() {
    const named = /^#\/run\/(\d+)\/([^/]+)\/([^/]+)$/.exec(location.hash);
    const wasList = !at("list").hidden;
    if (named && wasList) scrolled = scrollY;
    at("list").hidden = Boolean(named);
    at("run").hidden = !named;
    if (named) {
      list.hide();
      run.show(named[1], ...named.slice(2).map(decodeURIComponent));
      scrollTo(0, 0);
    } else {
      run.hide();
      document.title = "Sluice";
      list.show();
      if (!wasList) scrollTo(0, scrolled);
    }
  }
  addEventListener("hashchange", () => {
    if (location.hash.startsWith("#token=")) location.reload();
    else route();
  });
  route();
}

begin();
