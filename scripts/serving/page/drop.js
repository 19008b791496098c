// Files that are dropped on the page go to the place that a job watches, and the runs that this starts are followed.

import { ask, send } from "./talk.js";
import { at, bytes, count, el, number, say } from "./show.js";

export class Drop {
  constructor(sources, follow) {
    this.sources = sources;
    this.follow = follow;
    this.busy = false;
    const deployed = sources.map((source, index) => [index, source]).filter(([, source]) => source.deployed);
    if (!deployed.length) return;
    at("drop").hidden = false;
    at("drop-job").append(...deployed.map(([index, source]) => el("option", { value: index }, source.title)));
    at("drop-job").addEventListener("change", () => this.chosen());
    at("drop-files").addEventListener("change", () => {
      this.take([...at("drop-files").files]);
      at("drop-files").value = "";
    });
    this.chosen();
    let depth = 0;
    const over = (step) => (event) => {
      event.preventDefault();
      depth = Math.max(0, depth + step);
      document.body.classList.toggle("over", depth > 0);
    };
    addEventListener("dragenter", over(1));
    addEventListener("dragleave", over(-1));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      over(-depth)(event);
      if (at("list").hidden) return;
      const items = [...(event.dataTransfer?.items ?? [])].filter((item) => item.kind === "file");
      if (items.some((item) => item.webkitGetAsEntry?.()?.isDirectory)) {
        return say(at("drop-told"), "drop files, not folders; scripts/submit.py takes folders");
      }
      this.take([...(event.dataTransfer?.files ?? [])]);
    });
  }

  chosen() {
    const { tags, watches } = this.sources[at("drop-job").value];
    at("drop-tag").replaceChildren(...tags.map((tag) => el("option", {}, tag)));
    at("drop-tag-part").hidden = tags.length < 2;
    say(at("drop-told"), watches);
  }

  async take(files) {
    if (!files.length) return;
    if (this.busy) return say(at("drop-told"), "wait for the files before");
    this.busy = true;
    const source = at("drop-job").value, many = this.sources[source].tags.length > 1;
    const tag = many ? at("drop-tag").value : "";
    const size = files.reduce((sum, file) => sum + file.size, 0);
    try {
      const { upload } = await ask(`/api/upload/${source}`, { method: "POST" });
      let before = 0;
      for (const [index, file] of files.entries()) {
        const path = `/api/upload/${source}/${upload}/${encodeURIComponent(file.name)}?${new URLSearchParams({ tag })}`;
        await send(path, file, (sent) => say(
          at("drop-told"), `${number(index + 1)} of ${count(files.length, "file")}: ${bytes(before + sent)} of ${bytes(size)}`));
        before += file.size;
      }
      say(at("drop-told"), `putting ${count(files.length, "file")} in place`);
      const { told, follow } = await ask(`/api/upload/${source}/${upload}`, { method: "POST" });
      say(at("drop-told"), told);
      if (follow) this.follow(follow, told, true);
    } catch (error) {
      say(at("drop-told"), error.message);
    }
    this.busy = false;
  }
}
