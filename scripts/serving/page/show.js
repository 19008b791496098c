// Elements, and numbers for people. Text from elsewhere becomes text, and what would not show is shown.

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

export function shown(text) {
  return String(text).replace(HIDDEN, (c) => {
    const code = c.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "click") made.addEventListener("click", value);
    else if (value !== false && value !== null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : shown(child))));
  return made;
}

export function say(element, text) {
  const wanted = shown(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export const at = (id) => document.getElementById(id);

export const number = (value) => (value ?? 0).toLocaleString("en");

export const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

export function bytes(size) {
  let unit = "B";
  for (const next of ["KiB", "MiB", "GiB", "TiB", "PiB"]) {
    if (size < 1023.95) break;
    size /= 1024;
    unit = next;
  }
  return `${unit === "B" ? size : size.toFixed(1)} ${unit}`;
}

export function seconds(value) {
  if (value === null) return "";
  if (value < 9.95) return `${value.toFixed(1)}s`;
  const whole = Math.round(value), minutes = Math.floor(whole / 60), hours = Math.floor(whole / 3600);
  const two = (n) => String(n).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (hours < 1) return `${minutes}m ${two(whole % 60)}s`;
  if (hours < 24) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

export function dollars(value) {
  if (value === null || value === undefined) return "";
  if (value > 0 && value < 0.0001) return "less than $0.0001";
  return value < 1 ? `$${value.toFixed(4)}` : `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

export const time = (value) => (value === null ? "" : new Date(value * 1000).toISOString().slice(0, 19).replace("T", " "));

export const tasks = ([done, total]) => `${done ?? "?"}/${total ?? "?"}`;

export const address = (row) => `#/run/${row.place}/${encodeURIComponent(row.job)}/${encodeURIComponent(row.run)}`;

// How far a run has come, from 0 to 1: half of it is map.
export function far(row) {
  if (row.ended) return 1;
  const part = ([done, total]) => (total ? Math.min(1, (done ?? 0) / total) : 0);
  return (row.step - 1 + 0.5 * part(row.map) + 0.5 * part(row.reduce)) / row.steps;
}
