// SPDX-License-Identifier: BSD-2-Clause
//
// The player of a page: the steps of the record, a key or a click at a time.

// As grade/lecture/record.py: differences.
function apply(old, change) {
  if (change === null || change === undefined)
    return old;
  if ("=" in change)
    return change["="];
  if ("@" in change) {
    const [first, gone, came] = change["@"];
    return [...old.slice(0, first), ...came, ...old.slice(first + gone)];
  }
  if ("i" in change) {
    const fresh = old.slice();
    for (const [index, inner] of Object.entries(change.i))
      fresh[+index] = apply(fresh[+index], inner);
    return fresh;
  }
  const found = {...old};
  for (const key of change["-"] || [])
    delete found[key];
  for (const [key, inner] of Object.entries(change.k))
    found[key] = apply(found[key], inner);
  return found;
}

const $ = id => document.getElementById(id);
const record = JSON.parse($("record").textContent);
const steps = [];
for (const change of record.steps)
  steps.push(apply(steps[steps.length - 1] || {}, change));

const state = {index: 0, only: -1, source: false, extra: "", typed: "", sought: "", zoom: 1};
const sizes = {};         // by scene and what is shown: the size that fits

const formName = name => escaped(name);

function shownForms() {
  return state.only < 0 ? record.forms.map((_, i) => i) : [state.only];
}

function picturesOf(step, form) {
  const all = step.forms[form].pictures, names = state.extra ? [state.extra] : step.show;
  return names.filter(name => all[name]).map(name => all[name]);
}

function formColumn(step, form) {
  const pictures = picturesOf(step, form);
  const body = pictures.length ? pictures.map(drawPicture).join("") : "<p>not there at this step</p>";
  return `<div class="form"><h3>${formName(record.forms[form])}</h3>${body}</div>`;
}

function sourceColumn(step) {
  const form = shownForms()[shownForms().length - 1], where = step.forms[form].where;
  if (!where.file)
    return `<div class="source"><p>where it stopped is not known</p></div>`;
  const lines = Object.entries(record.sources[where.file] || {})
    .filter(([n]) => n >= where.line - 6 && n <= where.line + 17).sort((a, b) => a[0] - b[0]);
  const text = lines.map(([n, code]) => `<span${+n === where.line ? ' class="here"' : ""}>` +
    `${String(n).padStart(4)}  ${escaped(code.replace(/\t/g, "    "))}</span>`).join("");
  const stack = (where.stack || []).slice(1).map(escaped).join("<br>");
  return `<div class="source"><h3>${escaped(where.function)}</h3>` +
    `<p>${escaped(where.file)}:${where.line}</p><pre>${text}</pre><p>${stack}</p></div>`;
}

function legendOf(step) {
  const found = new Map();
  for (const form of shownForms())
    for (const p of picturesOf(step, form)) {
      const used = p.kind === "cells" ? new Set(p.rows.map(r => r[1]).join(""))
        : new Set((p.lanes || []).flatMap(l => l[1].map(b => String(b[3]))));
      for (const [letter, meaning, tone] of p.legend || [])
        if (used.has(letter))
          found.set(letter, `<span><b style="background:var(--t${tone})">` +
            `${/\d/.test(letter) ? "&nbsp;" : escaped(letter)}</b> ${escaped(meaning)}</span>`);
    }
  return [...found.values()].join("");
}

function columns(step, withSource) {
  const parts = shownForms().map(form => formColumn(step, form));
  return withSource ? [...parts, sourceColumn(step)] : parts;
}

// The largest size at which the step fits, never larger than the steps of its scene before it.
function fit(step) {
  const key = [step.scene, state.only, state.extra, state.source, innerWidth, innerHeight].join("|");
  const stage = $("stage"), most = Math.min(34, innerWidth / 46);
  let size = Math.min(sizes[key] || most, most);
  const root = document.documentElement.style, forms = [...stage.querySelectorAll(".form")];
  const set = () => root.setProperty("--size", `${size * state.zoom}px`);
  const code = stage.querySelector(".source");
  root.setProperty("--room", `${stage.clientHeight}px`);
  if (code)
    root.setProperty("--code", `${Math.max(10, Math.min(22, code.clientWidth / 54)) * state.zoom}px`);
  set();
  while (size > 9 && state.zoom === 1 && forms.some(f => f.offsetHeight > stage.clientHeight)) {
    size = Math.max(9, size - 1);
    set();
  }
  sizes[key] = size;
}

function show() {
  const step = steps[state.index];
  const others = [...new Set(step.forms.flatMap(f => Object.keys(f.pictures)))]
    .filter(name => !step.show.includes(name));
  if (!others.includes(state.extra))
    state.extra = "";
  $("scene").innerHTML = `${escaped(step.scene)} <span>&mdash; ${escaped(step.name)}</span>`;
  $("say").textContent = step.say;
  const parts = columns(step, state.source);
  $("stage").style.gridTemplateColumns = `repeat(${parts.length}, minmax(0, 1fr))`;
  $("stage").innerHTML = parts.join("");
  $("legend").innerHTML = legendOf(step);
  $("number").value = state.index + 1;
  $("jump").value = state.index;
  $("done").style.width = `${100 * (state.index + 1) / steps.length}%`;
  $("picture").innerHTML = ["", ...others].map(name =>
    `<option value="${escaped(name)}">${escaped(name || "pictures of the step")}</option>`).join("");
  $("picture").value = state.extra;
  $("compare").value = state.only;
  $("source").setAttribute("aria-pressed", state.source);
  fit(step);
  try {
    history.replaceState(null, "", `#${state.index + 1}`);
  } catch {
    // some browsers let no local file do that
  }
}

function note(text) {
  $("note").textContent = text;
}

function go(index) {
  const last = steps.length - 1;
  note(index < 0 ? "the first step" : index > last ? `the last step is ${last + 1}` : "");
  state.index = Math.min(Math.max(index, 0), last);
  show();
}

function words(step) {
  const inner = p => [p.title, ...(p.rows || []).flat(), ...(p.lines || []),
    ...(p.nodes || []).map(n => n[2])];
  return [step.scene, step.name, step.say, ...step.forms.flatMap(f => [f.where.function, f.where.file,
    ...step.show.flatMap(n => f.pictures[n] ? inner(f.pictures[n]) : [])])].join("\n").toLowerCase();
}

function search(way) {
  const wanted = state.sought.toLowerCase();
  for (let n = 1; wanted && n <= steps.length; n++) {
    const at = (state.index + way * n + steps.length * 2) % steps.length;
    if (words(steps[at]).includes(wanted))
      return go(at);
  }
  note(wanted ? `no step has \u201c${state.sought}\u201d` : "nothing to look for");
}

function compare() {
  const count = record.forms.length;
  state.only = count > 1 && state.only + 1 < count ? state.only + 1 : -1;
  show();
}

function cyclePictures() {
  const options = [...$("picture").options].map(o => o.value);
  state.extra = options[(options.indexOf(state.extra) + 1) % options.length];
  show();
}

function zoom(factor) {
  state.zoom = factor ? Math.min(4, Math.max(.4, state.zoom * factor)) : 1;
  show();
}

function theme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
}

// Every step for paper.
function handout() {
  const sections = steps.map((step, i) => {
    const parts = record.forms.map((_, form) => {
      const pictures = step.show.map(n => step.forms[form].pictures[n]).filter(Boolean);
      return `<div class="form"><h3>${formName(record.forms[form])}</h3>` +
        `${pictures.map(drawPicture).join("")}</div>`;
    });
    return `<section><h2>${i + 1}. ${escaped(step.scene)}: ${escaped(step.name)}</h2>` +
      `<p>${escaped(step.say)}</p><div class="forms" style="grid-template-columns:` +
      `repeat(${parts.length}, minmax(0, 1fr))">${parts.join("")}</div></section>`;
  });
  $("handout").innerHTML = `<h1>${escaped(record.title)}</h1>${sections.join("")}`;
}

const KEYS = {
  ArrowRight: () => go(state.index + 1), " ": () => go(state.index + 1),
  PageDown: () => go(state.index + 1), ArrowLeft: () => go(state.index - 1),
  PageUp: () => go(state.index - 1), Home: () => go(0), End: () => go(steps.length - 1),
  "/": () => $("search").focus(), n: () => search(1), N: () => search(-1), c: compare,
  s: () => { state.source = !state.source; show(); }, p: cyclePictures, d: theme,
  "+": () => zoom(1.15), "=": () => zoom(1.15), "-": () => zoom(1 / 1.15), 0: () => zoom(0),
  P: () => window.print(), "?": () => $("keys").showModal(),
};

function typed(event) {
  if (/^\d$/.test(event.key) && (state.typed || event.key !== "0")) {
    state.typed += event.key;
    note(`step ${state.typed}`);
  } else if (event.key === "Enter") {
    go(state.typed ? state.typed - 1 : state.index + 1);
    state.typed = "";
  } else if (event.key === "Backspace" && state.typed) {
    state.typed = state.typed.slice(0, -1);
    note(state.typed && `step ${state.typed}`);
  } else if (event.key === "Backspace") {
    go(state.index - 1);
  } else if (KEYS[event.key]) {
    state.typed = "";
    note("");
    KEYS[event.key]();
  } else {
    return;
  }
  event.preventDefault();
}

function start() {
  const groups = new Map();
  steps.forEach((step, i) => groups.set(step.scene, [...(groups.get(step.scene) || []),
    `<option value="${i}">${i + 1}. ${escaped(step.name)}</option>`]));
  $("jump").innerHTML = [...groups].map(([scene, options]) =>
    `<optgroup label="${escaped(scene)}">${options.join("")}</optgroup>`).join("");
  const forms = record.forms.map((name, i) => `<option value="${i}">${formName(name)} alone</option>`);
  $("compare").innerHTML = `<option value="-1">side by side</option>${forms.join("")}`;
  $("compare").hidden = record.forms.length < 2;
  $("count").textContent = steps.length;
  if (matchMedia("(prefers-color-scheme: dark)").matches)
    document.documentElement.dataset.theme = "dark";

  const clicks = {first: "Home", back: "ArrowLeft", forward: "ArrowRight", last: "End", source: "s",
    smaller: "-", larger: "+", theme: "d", print: "P", help: "?"};
  for (const [id, key] of Object.entries(clicks))
    $(id).addEventListener("click", event => { KEYS[key](); event.currentTarget.blur(); });
  for (const [id, take] of Object.entries({
    jump: value => go(+value), compare: value => { state.only = +value; show(); },
    picture: value => { state.extra = value; show(); },
  }))
    $(id).addEventListener("change", event => { take(event.target.value); event.target.blur(); });
  $("bar").addEventListener("click", event =>
    go(Math.floor(event.offsetX / $("bar").clientWidth * steps.length)));
  for (const [id, take] of Object.entries({
    number: value => /^\d+$/.test(value) ? go(value - 1) : show(),
    search: value => { state.sought = value || state.sought; search(1); },
  }))
    $(id).addEventListener("keydown", event => {
      event.stopPropagation();
      if (event.key === "Enter")
        take(event.target.value);
      if (event.key === "Enter" || event.key === "Escape")
        event.target.blur();
    });
  document.addEventListener("keydown", event => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && !$("keys").open &&
        event.target.tagName !== "SELECT")
      typed(event);
  });
  addEventListener("resize", show);
  addEventListener("beforeprint", handout);
  addEventListener("hashchange", () => go(parseInt(location.hash.slice(1), 10) - 1 || 0));
  go(Math.max(0, parseInt(location.hash.slice(1), 10) - 1 || 0));
}

start();
