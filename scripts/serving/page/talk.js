// Asks the server. The token comes with the page's address, behind #, and stays in this origin's storage: it is sent
// in a header, to this server alone.

const KEPT = "sluice-token";

export function takeToken() {
  const given = /^#token=([\w-]+)$/.exec(location.hash);
  if (!given) return;
  localStorage.setItem(KEPT, given[1]);
  history.replaceState(null, "", "#/");
}

function headers() {
  return { authorization: `Bearer ${localStorage.getItem(KEPT) ?? ""}` };
}

async function explained(answer) {
  let told;
  try { told = (await answer.json()).error; } catch { told = ""; }
  return new Error(told || `the server answered ${answer.status}`);
}

export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: headers() });
  } catch {
    throw new Error("the dashboard does not answer: does scripts/dashboard.py still run?");
  }
  if (!answer.ok) throw await explained(answer);
  return answer.json();
}

// Calls `heard` with each thing that the server pushes, until it says that one was the last, or the returned function
// is called. EventSource would do, but cannot send the token in a header. A page that nobody sees asks for nothing.
export function listen(path, heard, failed) {
  let ended = false, abort = new AbortController();
  const wake = () => {
    if (document.hidden) abort.abort();
  };
  document.addEventListener("visibilitychange", wake);

  async function once() {
    const answer = await fetch(path, { headers: headers(), signal: abort.signal });
    if (!answer.ok) {
      ended = answer.status < 500;
      throw await explained(answer);
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const event = text.slice(0, end);
        text = text.slice(end + 2);
        if (!event.startsWith("data: ")) continue;
        const news = JSON.parse(event.slice(6));
        ended ||= Boolean(news.last);
        heard(news);
      }
    }
  }

  async function forever() {
    for (let pause = 500; !ended; pause = Math.min(pause * 2, 8000)) {
      if (document.hidden) await new Promise((go) => document.addEventListener("visibilitychange", go, { once: true }));
      if (ended) break;
      abort = new AbortController();
      try {
        await once();
        pause = 500;
      } catch (error) {
        if (error.name !== "AbortError") failed(error instanceof TypeError ? new Error("the dashboard does not answer") : error);
      }
      if (!ended && !document.hidden) await new Promise((go) => setTimeout(go, pause));
    }
    document.removeEventListener("visibilitychange", wake);
  }

  forever();
  return () => { ended = true; abort.abort(); };
}

// Sends one file; fetch would not tell how far it has come.
export function send(path, file, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("PUT", path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("load", () => {
      if (request.status === 200) return done();
      let told = "";
      try { told = JSON.parse(request.responseText).error; } catch { /* then the number says it */ }
      return failed(new Error(told || `the server answered ${request.status}`));
    });
    request.addEventListener("error", () => failed(new Error("the dashboard does not answer")));
    request.send(file);
  });
}
