// SPDX-License-Identifier: BSD-2-Clause
//
// The kinds of pictures of grade/lecture/record.py as SVG. All lengths are in units of which U make
// the letters' size, so the page's font size scales a picture; nothing is told by colour alone.
"use strict";

const U = 16, CHAR = 9.7, LINE = 22, PAD = 6;

function escaped(text) {
  return String(text).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));
}

function svg(width, height, label, body) {
  const w = Math.max(width, 40), h = Math.max(height, 4);
  return `<svg role="img" aria-label="${escaped(label)}" viewBox="0 0 ${w} ${h}" ` +
    `style="width:${(w / U).toFixed(2)}em"><g font-size="${U}">${body}</g></svg>`;
}

function label(x, y, text, cls = "", anchor = "start") {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${cls}" text-anchor="${anchor}">` +
    `${escaped(text)}</text>`;
}

function rect(x, y, w, h, cls) {
  return `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${w.toFixed(1)}" ` +
    `height="${h.toFixed(1)}" rx="2" class="${cls}"/>`;
}

function dot(x, y) {
  return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.5" class="dot"/>`;
}

const isFigure = text => /^[\d.,]+( KiB)?$/.test(text);

function drawTable(p) {
  const rows = p.rows, head = p.columns, every = head ? [head, ...rows] : rows;
  const count = Math.max(0, ...every.map(r => r.length)), wide = [];
  for (let i = 0; i < count; i++)
    wide.push(Math.max(...every.map(r => (r[i] || "").length)) * CHAR + 24);
  const right = wide.map((_, i) => head && i > 0 && rows.every(r => isFigure(r[i] || "0")));
  const left = 14, total = left + wide.reduce((a, b) => a + b, 0);
  const fresh = new Set(p.new || []);
  let y = 0, out = "";
  const line = (row, cls) => {
    let x = left;
    row.forEach((text, i) => {
      out += right[i] ? label(x + wide[i] - 24, y + 16, text, cls, "end") : label(x, y + 16, text, cls);
      x += wide[i];
    });
    y += LINE;
  };
  if (head) {
    line(head, "soft");
    out += `<line x1="0" x2="${total}" y1="${y}" y2="${y}" class="axis"/>`;
  }
  rows.forEach((row, i) => {
    const isNew = fresh.has(i);
    out += rect(0, y + 1, total, LINE - 1, "row" + (isNew ? " new" : ""));
    if (isNew)
      out += dot(6, y + 11);
    line(row, isNew ? "new" : "");
  });
  return svg(total, y + 2, p.title, out);
}

function drawCells(p) {
  const tones = Object.fromEntries((p.legend || []).map(l => [l[0], l[2]]));
  const before = Math.max(0, ...p.rows.map(r => r[0].length)) * CHAR + (p.rows.some(r => r[0]) ? 10 : 2);
  const most = Math.max(0, ...p.rows.map(r => r[1].length)), cell = 13;
  const after = Math.max(0, ...p.rows.map(r => r[2].length)) * CHAR + 12;
  const fresh = p.rows.map(() => new Set());
  for (const [row, first, n] of p.new || [])
    for (let i = first; i < first + n; i++)
      fresh[row].add(i);
  let out = "", edges = "", y = 4;
  p.rows.forEach((row, r) => {
    out += label(0, y + 15, row[0], "soft");
    [...row[1]].forEach((letter, i) => {
      const x = before + i * cell, isNew = fresh[r].has(i);
      out += rect(x, y, cell - 1, 19, `box t${tones[letter] || 0}`);
      if (letter !== ".")
        out += label(x + cell / 2 - .5, y + 14.5, letter, isNew ? "new" : "", "middle");
      if (isNew && !fresh[r].has(i - 1)) {
        let end = i;
        while (fresh[r].has(end))
          end++;
        edges += `<rect x="${x - 1}" y="${y - 1}" width="${(end - i) * cell + 1}" height="21" rx="3" ` +
          `fill="none" class="box new"/>` + dot(x, y - 1);
      }
    });
    out += label(before + row[1].length * cell + 8, y + 15, row[2]);
    y += 25;
  });
  return svg(before + most * cell + after, y, p.title, out + edges);
}

function drawStrip(p) {
  const unit = Math.max(8, Math.min(18, 520 / p.length)), fresh = new Set((p.new || []).map(String));
  let out = "", y = 0;
  p.lanes.forEach(([name, boxes], lane) => {
    out += label(0, y + 15, name, "soft");
    y += 21;
    out += `<line x1="0" x2="${p.length * unit}" y1="${y + 15}" y2="${y + 15}" class="axis"/>`;
    boxes.forEach(([at, long, text, tone], i) => {
      const isNew = fresh.has(`${lane},${i}`), w = long * unit - 2;
      out += rect(at * unit + 1, y + 2, w, 26, `box t${tone}` + (isNew ? " new" : ""));
      if (text.length * CHAR <= w + 4)
        out += label(at * unit + 1 + w / 2, y + 20, text, isNew ? "new" : "", "middle");
      if (isNew)
        out += dot(at * unit + 4, y + 3);
    });
    y += 36;
  });
  return svg(p.length * unit + 2, y, p.title, out);
}

function drawGraph(p) {
  const fresh = new Set(p.new || []), place = {}, wide = p.layers.map(name => name.length);
  for (const [, layer, text] of p.nodes)
    wide[layer] = Math.max(wide[layer], text.length);
  const left = [];
  let x = 0;
  wide.forEach(n => { left.push(x); x += n * CHAR + 60; });
  const filled = p.layers.map(() => 26);
  let out = p.layers.map((name, i) => label(left[i], 16, name, "soft")).join("");
  // A node stands no higher than the first that leads to it.
  const from = {};
  for (const [a, b] of p.edges)
    from[b] = from[b] || a;
  const order = p.nodes.slice().sort((a, b) => a[1] - b[1]);
  for (const [key, layer] of order) {
    const parent = place[from[key]], y = Math.max(filled[layer], parent ? parent.y : 0);
    place[key] = {x: left[layer], y};
    filled[layer] = y + 32;
  }
  for (const [a, b] of p.edges) {
    const s = place[a], t = place[b];
    if (!s || !t)
      continue;
    const node = p.nodes.find(n => n[0] === a), x1 = s.x + node[2].length * CHAR + 12;
    const cls = "edge" + (fresh.has(b) || fresh.has(a) ? " new" : "");
    out += `<path d="M${x1} ${s.y + 13}C${x1 + 30} ${s.y + 13} ${t.x - 30} ${t.y + 13} ${t.x - 7} ` +
      `${t.y + 13}" class="${cls}"/><path d="M${t.x - 8} ${t.y + 8}l8 5l-8 5" class="${cls}"/>`;
  }
  for (const [key, , text, tone] of p.nodes) {
    const at = place[key], isNew = fresh.has(key);
    out += rect(at.x, at.y, text.length * CHAR + 12, 26, `box t${tone}` + (isNew ? " new" : ""));
    out += label(at.x + PAD, at.y + 18, text, isNew ? "new" : "");
    if (isNew)
      out += dot(at.x + 1, at.y + 1);
  }
  return svg(x - 40, Math.max(...filled), p.title, p.nodes.length ? out : label(0, 16, "none", "soft"));
}

function drawText(p) {
  const first = p.new && p.new.length ? p.new[0] : p.lines.length;
  let out = "", wide = 0;
  p.lines.forEach((line, i) => {
    const isNew = i >= first;
    wide = Math.max(wide, line.length);
    out += (isNew ? dot(6, i * LINE + 11) : "") + label(14, i * LINE + 16, line, isNew ? "new" : "");
  });
  if (!p.lines.length)
    out = label(14, 16, "nothing yet", "soft");
  return svg(14 + Math.max(wide, 12) * CHAR, Math.max(1, p.lines.length) * LINE, p.title, out);
}

const KINDS = {table: drawTable, cells: drawCells, strip: drawStrip, graph: drawGraph, text: drawText};

function drawPicture(p) {
  const gone = p.gone ? `<small title="no longer there">&minus;${p.gone}</small>` : "";
  const body = KINDS[p.kind] ? KINDS[p.kind](p) : `(a picture of kind ${escaped(p.kind)})`;
  const empty = p.kind === "cells" && !p.rows.length;
  return `<figure data-kind="${escaped(p.kind)}"><figcaption>${escaped(p.title)}${gone}</figcaption>` +
    `${empty ? "" : body}</figure>`;
}
