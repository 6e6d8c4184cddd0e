(() => {
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const box = document.getElementById('lanes'), tools = document.getElementById('tools'), detail = document.getElementById('detail');
const NS = 'http://www.w3.org/2000/svg';
const HIT = 9, CLUSTER = 7, LINES_MAX = 3000, ROWS_MAX = 12, STEP_MARKS = 'do';
const whole = {from: -0.015 * data.length_us, to: 1.015 * data.length_us};
const view = {...whole};
let width = 0, gutter = 0, svg, plot, layout, marks = [], spans = [], chosen = -1, cursor = null, arrivals = true;

document.documentElement.classList.add('js');

/* ---- words ---- */

const digits = n => String(Number(n.toPrecision(6)));
function timeWords(us) {
  const sign = us < 0 ? '−' : '';
  us = Math.round(Math.abs(us));
  if (us === 0) return '0';
  if (us < 1000) return `${sign}${us} µs`;
  if (us < 1e6) return `${sign}${digits(us / 1000)} ms`;
  if (us < 1e8) return `${sign}${digits(Math.round(us / 1000) / 1000)} s`;
  const s = Math.floor(us / 1e6);
  return sign + (s < 7200 ? `${Math.floor(s / 60)} m ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} m`);
}
function bytesWords(n) {
  if (n < 1000) return `${Math.round(n)} B/s`;
  return n < 1e6 ? `${digits(Math.round(n / 100) / 10)} kB/s` : `${digits(Math.round(n / 1e5) / 10)} MB/s`;
}
const nodeName = n => n < 0 ? '' : data.nodes[n][0];
const dcOf = n => data.nodes[n][1];
const colour = dc => `c${dc % 7}`;
const some = (n, one, many) => n === 1 ? `1 ${one}` : `${n.toLocaleString('en')} ${many || one + 's'}`;

/* ---- drawing ---- */

function add(parent, name, attributes, text) {
  const e = document.createElementNS(NS, name);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  if (text !== undefined) e.textContent = text;
  parent.appendChild(e);
  return e;
}
const xOf = us => gutter + (us - view.from) / (view.to - view.from) * (width - gutter - 10);
const usOf = x => view.from + (x - gutter) / (width - gutter - 10) * (view.to - view.from);
const inView = (from, to) => to >= view.from && from <= view.to;
const clip = x => Math.max(gutter - 20, Math.min(width + 20, x));
const diamond = (x, y, r) => `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z`;
function fit(text, pixels, size = 12) {
  const room = Math.max(1, Math.floor(pixels / (size * 0.58)));
  const points = Array.from(text);
  return points.length <= room ? text : points.slice(0, room - 1).join('') + '…';
}

/* Each a list per datacenter of [time, value]. */
const sent = data.sent.map(pieces => pieces.map((bytes, i) => [(i + 0.5) * data.piece_us, bytes * 1e6 / data.piece_us]));
const curves = [['lag', 1, timeWords], ['backlog', 2, n => some(n, 'event')], ['conflicts', 3, n => `${n} open`]]
  .map(([name, column, words]) => ({name, words, points: data.curves.map(list => list.map(p => [p[0], p[column]]))}))
  .concat({name: 'sent out', words: bytesWords, points: sent});

/* Where everything stands, from top to bottom. */
function arrange() {
  const lane = data.nodes.length > 40 ? 15 : data.nodes.length > 16 ? 20 : 27;
  const l = {lanes: [], bands: [], strips: [], rows: [], curves: []};
  let y = 26;
  l.steps = y; y += 18;
  l.checks = y; y += 22;
  data.dcs.forEach((dc, i) => {
    const top = y;
    y += lane * 0.2;
    for (const n of dc.nodes) { l.lanes[n] = y + lane / 2; y += lane; }
    y += lane * 0.2;
    l.bands.push({dc: i, top, bottom: y});
    const pairs = [...new Set(data.links.filter(s => s[0] === i).map(s => s[1]))].sort((a, b) => a - b);
    y += pairs.length ? 4 : 9;
    const height = pairs.length === 1 ? 24 : 18;
    for (const b of pairs) { l.strips.push({a: i, b, top: y, bottom: y + height}); y += height + 4; }
  });
  l.lanesEnd = y;
  const rows = Object.entries(data.rows);
  if (rows.length) y += 22;
  rows.slice(0, ROWS_MAX).forEach(([key, row]) => { l.rows.push({key, row, y: y + 10}); y += 21; });
  l.rowsLeftOut = rows.length - l.rows.length;
  if (l.rowsLeftOut > 0) y += 16;
  for (const curve of curves) {
    if (!curve.points.some(points => points.length)) continue;
    y += 16;
    l.curves.push({...curve, top: y, bottom: y + 48});
    y += 48;
  }
  l.height = y + 14;
  return l;
}

function niceStep(span, count) {
  const rough = Math.max(1, span / count), scale = 10 ** Math.floor(Math.log10(rough));
  for (const m of [1, 2, 5, 10]) if (rough <= m * scale) return m * scale;
  return rough;
}

function drawAxis() {
  const step = niceStep(view.to - view.from, (width - gutter) / 95);
  for (let t = Math.ceil(Math.max(0, view.from) / step) * step; t <= Math.min(view.to, data.length_us * 1.001); t += step) {
    const x = xOf(t);
    add(plot, 'line', {class: 'grid', x1: x, x2: x, y1: 20, y2: layout.height - 8});
    add(plot, 'text', {class: 'tick', x: x + (x > width - 40 ? -4 : 0), y: 14, 'text-anchor': x > width - 40 ? 'end' : 'middle'}, timeWords(t));
  }
}

function drawBands() {
  for (const b of layout.bands) {
    const dc = data.dcs[b.dc];
    add(svg, 'rect', {class: 'band', x: 0, y: b.top, width, height: b.bottom - b.top});
    add(svg, 'rect', {class: `swatch ${colour(b.dc)}`, x: 0, y: b.top, width: 5, height: b.bottom - b.top});
  }
}

function drawNames() {
  const gap = 6, names = add(svg, 'g', {});
  for (const b of layout.bands) {
    const dc = data.dcs[b.dc], half = (gutter - 20) / 2;
    add(names, 'text', {class: 'dcname', x: 13, y: layout.lanes[dc.nodes[0]] + 4}, fit(dc.name, half, 13));
    for (const n of dc.nodes)
      add(names, 'text', {class: 'dim', x: gutter - gap, y: layout.lanes[n] + 4, 'text-anchor': 'end'}, fit(nodeName(n), half + 12, 11));
  }
  for (const s of layout.strips) {
    const text = s.a === s.b ? `in ${data.dcs[s.a].name}` : `${data.dcs[s.a].name} – ${data.dcs[s.b].name}`;
    add(names, 'text', {class: 'dim', x: gutter - gap, y: (s.top + s.bottom) / 2 + 4, 'text-anchor': 'end'}, fit(text, gutter - 14, 11));
  }
  add(names, 'text', {class: 'dim', x: gutter - gap, y: layout.steps + 12, 'text-anchor': 'end'}, 'steps');
  add(names, 'text', {class: 'dim', x: gutter - gap, y: layout.checks + 12, 'text-anchor': 'end'}, 'expected');
  if (layout.rows.length) add(names, 'text', {class: 'dim', x: 13, y: layout.rows[0].y - 16}, 'Rows in conflict');
  for (const r of layout.rows)
    add(names, 'text', {x: gutter - gap, y: r.y + 4, 'text-anchor': 'end'}, fit(r.row.key, gutter - 14));
  if (layout.rowsLeftOut > 0)
    add(names, 'text', {class: 'dim', x: 13, y: layout.rows[layout.rows.length - 1].y + 22}, `and ${some(layout.rowsLeftOut, 'more row')}, below`);
}

function mark(at, x, y, text, extra) { marks.push({at, x, y, text, ...extra}); }
function span(x0, x1, y0, y1, text) { spans.push({x0, x1, y0, y1, text}); }

function drawLanes() {
  data.nodes.forEach((_, n) => add(plot, 'line', {class: 'lane', x1: gutter, x2: width, y1: layout.lanes[n], y2: layout.lanes[n]}));
  const words = {leader: 'leads', down: 'does not run', paused: 'is paused', returning: 'takes back what it lacks', disk: '', clock: ''};
  const drawn = new Set();
  for (const [n, from, to, state, text] of data.lanes) {
    if (!inView(from, to)) continue;
    const x0 = clip(xOf(from)), x1 = Math.max(x0 + 1.5, clip(xOf(to))), y = layout.lanes[n];
    const place = `${n} ${state} ${Math.round(x0)} ${Math.round(x1)}`;
    if (drawn.has(place)) continue;
    drawn.add(place);
    if (state === 'leader') add(plot, 'line', {class: `leader ${colour(dcOf(n))}`, x1: x0, x2: x1, y1: y, y2: y});
    else add(plot, 'rect', {class: state, x: x0, y: y - 7, width: x1 - x0, height: 14, rx: 2});
    const what = words[state] ? `${words[state]}${state === 'leader' || text === state ? '' : ` (${text})`}` : text;
    span(x0, x1, y - 8, y + 8, `${nodeName(n)} ${what}\n${timeWords(from)} to ${timeWords(to)}, ${timeWords(to - from)} long`);
  }
}

function drawWay(x, y, down) { add(plot, 'path', {class: 'way', d: down ? `M${x - 4} ${y - 4}l4 6l4 -6` : `M${x - 4} ${y + 4}l4 -6l4 6`}); }

function drawLinks() {
  for (const s of layout.strips) {
    const drawn = new Set();
    for (const [a, b, from, to, fault, way, partly, text] of data.links) {
      if (a !== s.a || b !== s.b || !inView(from, to)) continue;
      const x0 = clip(xOf(from)), x1 = Math.max(x0 + 1.5, clip(xOf(to))), middle = (s.top + s.bottom) / 2, seen = Math.max(x0, gutter);
      const spot = `${fault} ${Math.round(x0)} ${Math.round(x1)}`;
      if (drawn.has(spot)) continue;
      drawn.add(spot);
      add(plot, 'rect', {class: `fault ${fault}${partly ? ' partly' : ''}`, x: x0, y: s.top, width: x1 - x0, height: s.bottom - s.top, rx: 2});
      const label = fit(text, Math.min(x1, width) - seen - 40, 11), wide = label.length * 6.7 + 8;
      const labelled = label.length > 4, free = labelled ? seen + wide + 14 : seen + 8;
      if (way !== 3) for (let x = free; x < Math.min(x1, width) - 6; x += 44) drawWay(x, middle, way === 1);
      if (labelled) {
        add(plot, 'rect', {class: 'label', x: seen + 3, y: middle - 7, width: wide, height: 14, rx: 2});
        add(plot, 'text', {class: 'fault-text', x: seen + 7, y: middle + 4}, label);
      }
      span(x0, x1, s.top, s.bottom, `${text}\n${timeWords(from)} to ${timeWords(to)}, ${timeWords(to - from)} long`);
    }
  }
}

/* Arrivals: a line from where it was made to the first node of another datacenter, a tick on the lanes of those that follow. */
function drawArrivals() {
  if (!arrivals) return;
  const lines = new Map(), ticks = new Map();
  for (const [w, n, at, first] of data.applies) {
    const [made, from] = data.writes[w];
    if (!inView(made, at)) continue;
    const x0 = clip(xOf(made)), x1 = clip(xOf(at));
    if (first) {
      const key = `${from} ${n} ${Math.round(x0 / 2)} ${Math.round(x1 / 2)}`;
      lines.set(key, lines.get(key) || {x0, x1, from, n});
    } else if (at >= view.from && at <= view.to) {
      ticks.set(`${n} ${dcOf(from)} ${Math.round(x1 / 2)}`, {x: x1, n, dc: dcOf(from)});
    }
  }
  const opacity = lines.size < 150 ? 0.6 : lines.size < 800 ? 0.35 : 0.18;
  let left = LINES_MAX;
  for (const l of lines.values()) {
    if (left-- <= 0) break;
    const y0 = layout.lanes[l.from], y1 = layout.lanes[l.n], dc = colour(dcOf(l.from)), up = y1 < y0;
    add(plot, 'line', {class: `apply ${dc}`, x1: l.x0, y1: y0, x2: l.x1, y2: y1, 'stroke-opacity': opacity});
    const head = `M${l.x1} ${y1}l-3.2 ${up ? 6 : -6}h6.4z`;
    add(plot, 'path', {class: `arrived ${dc}`, d: head, 'fill-opacity': Math.min(1, opacity * 2)});
  }
  for (const t of [...ticks.values()].slice(0, LINES_MAX))
    add(plot, 'line', {class: `follows ${colour(t.dc)}`, x1: t.x, x2: t.x, y1: layout.lanes[t.n] - 5, y2: layout.lanes[t.n] + 5});
  return lines.size > LINES_MAX;
}

/* What would lie on one another is one mark. */
function clusters(items, near) {
  const out = [];
  for (const item of items) {
    const last = out[out.length - 1];
    if (last && item.x - last.first < near) last.items.push(item);
    else out.push({first: item.x, items: [item]});
  }
  for (const c of out) c.x = c.items.reduce((sum, i) => sum + i.x, 0) / c.items.length;
  return out;
}

const arrivedAt = new Map();
for (const [w, n, at, first] of data.applies) {
  if (!arrivedAt.has(w)) arrivedAt.set(w, []);
  if (first) arrivedAt.get(w).push(`${nodeName(n)} after ${timeWords(at - data.writes[w][0])}`);
}

function writeText(i) {
  const [at, n, step, text] = data.writes[i], arrived = arrivedAt.get(i);
  const seen = arrived && arrived.length ? `\nfirst seen at ${arrived.join(', ')}` : '';
  return `${timeWords(at)}  ${nodeName(n)}${step ? `, step ${step}` : ''}\n${text}${seen}`;
}

const ofAbout = n => data.thinned > 1.01 ? `, of about ${Math.round(n * data.thinned).toLocaleString('en')},` : '';

function drawWrites() {
  const byNode = data.nodes.map(() => []);
  data.writes.forEach(([at, n], i) => { if (at >= view.from && at <= view.to) byNode[n].push({x: xOf(at), i, at}); });
  byNode.forEach((items, n) => {
    const y = layout.lanes[n];
    for (const c of clusters(items, items.length > width / 14 ? 19 : CLUSTER)) {
      const many = c.items.length, r = many === 1 ? 4.3 : Math.min(9, 5 + Math.log2(many) * 0.75);
      add(plot, 'circle', {class: `write ${colour(dcOf(n))}`, cx: c.x, cy: y, r});
      if (many > 2 && r > 6) add(plot, 'text', {class: 'many', x: c.x, y: y + 3.4}, many > 99 ? '99+' : many);
      const text = many === 1 ? writeText(c.items[0].i)
        : `${some(many, 'write')}${ofAbout(many)} at ${nodeName(n)}, ${timeWords(c.items[0].at)} to ${timeWords(c.items[many - 1].at)}\n` +
          c.items.slice(0, 5).map(w => data.writes[w.i][3]).join('\n') + (many > 5 ? `\nand ${many - 5} more: zoom in` : '');
      mark(c.items[0].at, c.x, y, text, {until: c.items[many - 1].at});
    }
  });
}

function drawConflicts() {
  const lanes = data.nodes.map(() => []);
  for (const [at, n, closed, text] of data.conflicts) if (at >= view.from && at <= view.to) lanes[n].push({x: xOf(at), at, closed, text});
  lanes.forEach((items, n) => {
    for (const kind of [true, false]) {
      for (const c of clusters(items.filter(i => i.closed === kind), items.length > width / 14 ? 19 : CLUSTER)) {
        const y = layout.lanes[n] - 8, first = c.items[0], more = c.items.length - 1;
        add(plot, 'path', {class: kind ? 'settled' : 'conflict', d: diamond(c.x, y, kind ? 4 : 5)});
        const told = `${timeWords(first.at)}  ${nodeName(n)} sees a conflict${kind ? ' settled' : ''}\n${first.text}`;
        mark(first.at, c.x, y, told + (more ? `\nand ${more} more: zoom in` : ''));
      }
    }
  });
}

function drawRows() {
  for (const {row, y} of layout.rows) {
    add(plot, 'line', {class: 'lane', x1: gutter, x2: width, y1: y, y2: y});
    row.spans.forEach(([from, to], i) => {
      if (!inView(from, to)) return;
      const x0 = clip(xOf(from)), x1 = Math.max(x0 + 2, clip(xOf(to))), last = i === row.spans.length - 1;
      add(plot, 'rect', {class: 'rowspan', x: x0, y: y - 7, width: x1 - x0, height: 14, rx: 3});
      add(plot, 'path', {class: 'conflict', d: diamond(x0, y, 5)});
      if (!(last && row.open)) add(plot, 'path', {class: 'settled', d: diamond(x1, y, 4)});
      const until = last && row.open ? 'on: it is still open' : `to ${timeWords(to)}`;
      span(x0, x1, y - 8, y + 8, `${row.key} is in conflict\nfrom ${timeWords(from)} ${until}`);
    });
    for (const [at, n, state, value] of row.marks) {
      if (at < view.from || at > view.to) continue;
      add(plot, 'circle', {class: `version ${state === 'read' ? 'read' : ''} ${colour(dcOf(n))}`, cx: xOf(at), cy: y, r: 4.5});
      mark(at, xOf(at), y, `${timeWords(at)}  ${row.key}, written at ${nodeName(n)}: ${state}\n${value}`);
    }
  }
}

function drawChecks() {
  const items = data.checks.filter(c => c[0] >= view.from && c[0] <= view.to).map(c => ({x: xOf(c[0]), check: c}));
  for (const c of clusters(items.sort((a, b) => a.x - b.x), 12)) {
    const y = layout.checks + 8, first = c.items[0].check, fails = c.items.some(i => i.check[3]);
    if (fails) {
      add(plot, 'line', {class: 'failline', x1: c.x, x2: c.x, y1: y + 6, y2: layout.height - 8});
      add(plot, 'path', {class: 'failed', d: `M${c.x - 4.5} ${y - 4.5}l9 9m0 -9l-9 9`});
    } else {
      add(plot, 'path', {class: 'held', d: `M${c.x - 5} ${y}l3.5 4l6.5 -8`});
    }
    const told = [...c.items].sort((a, b) => b.check[3] - a.check[3]);
    mark(first[0], c.x, y, `${timeWords(first[0])}  ${some(c.items.length, 'expectation')}\n` +
      told.slice(0, 6).map(i => `${i.check[3] ? '✗' : '✓'} ${i.check[2] ? `step ${i.check[2]}: ` : ''}${i.check[4]}`).join('\n') +
      (told.length > 6 ? `\nand ${told.length - 6} more` : ''));
  }
}

function drawSteps() {
  const items = data.steps.filter(s => s[0] >= view.from && s[0] <= view.to).map(s => ({x: xOf(s[0]), step: s}));
  const groups = clusters(items, 5);
  groups.forEach((c, i) => {
    const y = layout.steps + 4, last = c.items.length - 1, other = c.items.find(it => it.step[2] !== STEP_MARKS) || c.items[0];
    const label = other.step[2] === STEP_MARKS ? '' : other.step[2], next = i + 1 < groups.length ? groups[i + 1].x - 4 : width;
    add(plot, 'path', {class: 'step', d: `M${c.x - 3.5} ${y}h7l-3.5 9z`});
    if (label && c.x + 8 + label.length * 6.4 < next) add(plot, 'text', {class: 'dim', x: c.x + 6, y: y + 9}, label);
    mark(c.items[0].step[0], c.x, y + 4, `${timeWords(c.items[0].step[0])}  ` +
      c.items.slice(0, 6).map(i => `step ${i.step[1]} (${i.step[2]})\n${i.step[3]}`).join('\n') + (last > 5 ? `\nand ${last - 5} more` : ''),
      {step: c.items[0].step[1]});
  });
}

function drawCurves() {
  for (const c of layout.curves) {
    const most = Math.max(0, ...c.points.map(points => points.reduce((m, p) => Math.max(m, p[1]), 0)));
    const yOf = v => c.bottom - (most ? v / most * (c.bottom - c.top) : 0);
    add(plot, 'line', {class: 'axis', x1: gutter, x2: width, y1: c.bottom, y2: c.bottom});
    add(svg, 'text', {x: gutter - 6, y: c.bottom - 20, 'text-anchor': 'end'}, fit(c.name, gutter - 12));
    add(svg, 'text', {class: 'dim', x: gutter - 6, y: c.bottom - 6, 'text-anchor': 'end'}, most ? `up to ${c.words(most)}` : 'none');
    c.points.forEach((points, dc) => {
      if (!points.length || !most) return;
      const d = points.map((p, i) => `${i ? 'L' : 'M'}${xOf(p[0]).toFixed(1)} ${yOf(p[1]).toFixed(1)}`).join('');
      add(plot, 'path', {class: `curve ${colour(dc)} d${dc % 4}`, d});
    });
    if (most) spans.push({x0: gutter, x1: width, y0: c.top, y1: c.bottom, curve: c});
  }
}

function curveText(c, x) {
  const at = usOf(x);
  const values = c.points.map((points, dc) => {
    let best = null;
    for (const p of points) if (!best || Math.abs(p[0] - at) < Math.abs(best[0] - at)) best = p;
    return best && `${data.dcs[dc].name}: ${c.words(best[1])}`;
  }).filter(Boolean);
  return `${c.name} at ${timeWords(at)}\n${values.join('\n')}`;
}

function draw() {
  marks = []; spans = [];
  svg.replaceChildren();
  layout = arrange();
  svg.setAttribute('viewBox', `0 0 ${width} ${layout.height}`);
  const clipping = add(add(svg, 'defs', {}), 'clipPath', {id: 'plotted'});
  add(clipping, 'rect', {x: gutter, y: 0, width: width - gutter, height: layout.height});
  drawBands();
  plot = add(svg, 'g', {'clip-path': 'url(#plotted)'});
  drawAxis();
  drawLanes();
  drawLinks();
  drawArrivals();
  drawWrites();
  drawConflicts();
  drawRows();
  drawCurves();
  drawSteps();
  drawChecks();
  drawNames();
  if (cursor !== null) add(plot, 'line', {class: 'cursor', x1: xOf(cursor), x2: xOf(cursor), y1: 18, y2: layout.height - 8});
  marks.sort((a, b) => a.at - b.at || a.y - b.y);
}

let due = false;
function redraw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; draw(); });
}

/* ---- moving ---- */

function show(from, to) {
  const least = Math.max(20, data.length_us * 1e-6), most = whole.to - whole.from;
  const size = Math.max(least, Math.min(most, to - from));
  from = (from + to) / 2 - size / 2;
  from = Math.max(whole.from, Math.min(whole.to - size, from));
  view.from = from; view.to = from + size;
  tip.hidden = true;
  chosen = -1;
  redraw();
}
function zoom(by, at = (view.from + view.to) / 2) { show(at - (at - view.from) * by, at + (view.to - at) * by); }
function pan(by) { const d = (view.to - view.from) * by; show(view.from + d, view.to + d); }

function goTo(at) {
  const size = Math.min(view.to - view.from, Math.max(data.length_us / 12, 2000));
  cursor = at;
  show(at - size / 2, at + size / 2);
  document.getElementById('picture').scrollIntoView({behavior: 'smooth', block: 'start'});
}

/* ---- details ---- */

const tip = document.createElement('div');
tip.id = 'tip';
tip.hidden = true;

function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const scale = box.clientWidth / width, left = x * scale, right = left > box.clientWidth / 2;
  tip.style.left = right ? '' : `${left + 14}px`;
  tip.style.right = right ? `${box.clientWidth - left + 14}px` : '';
  const top = y * scale + 12;
  tip.style.top = `${top + tip.offsetHeight > box.clientHeight ? Math.max(2, top - tip.offsetHeight - 24) : top}px`;
}

function under(x, y) {
  let best = null, distance = HIT;
  for (const m of marks) {
    const d = Math.hypot(m.x - x, m.y - y);
    if (d < distance) { best = m; distance = d; }
  }
  if (best || x < gutter) return best;
  for (const s of spans)
    if (x >= s.x0 - 2 && x <= s.x1 + 2 && y >= s.y0 && y <= s.y1 && (!best || s.x1 - s.x0 < best.x1 - best.x0)) best = s;
  return best;
}

function place(event) {
  const r = svg.getBoundingClientRect();
  return [(event.clientX - r.left) * width / r.width, (event.clientY - r.top) * width / r.width];
}

function ring(m) {
  svg.querySelectorAll('.ring').forEach(e => e.remove());
  if (m) add(plot, 'circle', {class: 'ring', cx: m.x, cy: m.y, r: 10});
}

function choose(by) {
  if (!marks.length) return;
  chosen = chosen < 0 ? (by > 0 ? 0 : marks.length - 1) : Math.max(0, Math.min(marks.length - 1, chosen + by));
  const m = marks[chosen];
  ring(m);
  showTip(m.text, m.x, m.y);
  detail.textContent = `${chosen + 1} of ${marks.length}: ${m.text}`;
}

/* ---- hands ---- */

const keys = {
  ArrowLeft: () => pan(-0.15), ArrowRight: () => pan(0.15), '+': () => zoom(0.6), '=': () => zoom(0.6), '-': () => zoom(1 / 0.6),
  0: () => show(whole.from, whole.to), Home: () => show(whole.from, whole.to), '.': () => choose(1), ',': () => choose(-1),
  Escape: () => { tip.hidden = true; chosen = -1; cursor = null; detail.textContent = ''; redraw(); },
};

function addButton(text, label, act) {
  const b = document.createElement('button');
  b.type = 'button'; b.textContent = text; b.title = label;
  b.setAttribute('aria-label', label);
  b.addEventListener('click', act);
  tools.appendChild(b);
}

function addTools() {
  addButton('−', 'zoom out', keys['-']);
  addButton('+', 'zoom in', keys['+']);
  addButton('←', 'earlier', keys.ArrowLeft);
  addButton('→', 'later', keys.ArrowRight);
  addButton('All', 'show all', keys.Home);
  const label = document.createElement('label'), check = document.createElement('input'), hint = document.createElement('span');
  check.type = 'checkbox'; check.checked = true;
  check.addEventListener('change', () => { arrivals = check.checked; redraw(); });
  label.append(check, 'arrivals');
  hint.className = 'hint';
  hint.textContent = 'drag moves · Ctrl + wheel zooms · keys ← → + − 0, and , . from mark to mark';
  tools.append(label, hint);
  tools.hidden = false;
}

function listen() {
  let drag = null;
  svg.addEventListener('pointerdown', e => {
    if (e.button !== 0) return;
    drag = {x: e.clientX, from: view.from, to: view.to, moved: false};
    svg.setPointerCapture(e.pointerId);
  });
  svg.addEventListener('pointermove', e => {
    if (drag) {
      const by = (e.clientX - drag.x) / svg.getBoundingClientRect().width * width / (width - gutter - 10) * (drag.to - drag.from);
      if (Math.abs(e.clientX - drag.x) > 3) drag.moved = true;
      if (drag.moved) { svg.classList.add('drags'); show(drag.from - by, drag.to - by); }
      return;
    }
    const [x, y] = place(e), m = under(x, y);
    ring(m && m.text && m.x !== undefined ? m : null);
    if (m) showTip(m.curve ? curveText(m.curve, x) : m.text, x, y);
    else tip.hidden = true;
  });
  const drop = () => { drag = null; svg.classList.remove('drags'); };
  svg.addEventListener('pointerup', e => {
    const [x, y] = place(e), m = drag && !drag.moved ? under(x, y) : null;
    drop();
    if (!m) return;
    detail.textContent = m.curve ? curveText(m.curve, x) : m.text;
    if (m.until > m.at) show(m.at - (m.until - m.at) * 0.3, m.until + (m.until - m.at) * 0.3);
  });
  svg.addEventListener('pointercancel', drop);
  svg.addEventListener('pointerleave', () => { if (!drag) { tip.hidden = true; ring(null); } });
  svg.addEventListener('dblclick', e => zoom(0.4, usOf(place(e)[0])));
  box.addEventListener('wheel', e => {
    const sideways = Math.abs(e.deltaX) > Math.abs(e.deltaY);
    if (e.ctrlKey || e.metaKey) zoom(Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.008), usOf(place(e)[0]));
    else if (sideways || e.shiftKey) pan((sideways ? e.deltaX : e.deltaY) / width * 0.8);
    else return;
    e.preventDefault();
  }, {passive: false});
  svg.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key]) return;
    keys[e.key]();
    e.preventDefault();
  });
  document.addEventListener('click', e => { const b = e.target.closest('button.at'); if (b) goTo(Number(b.dataset.at)); });
}

function begin() {
  svg = document.createElementNS(NS, 'svg');
  svg.id = 'drawn';
  svg.setAttribute('tabindex', '0');
  svg.setAttribute('role', 'group');
  svg.setAttribute('aria-label', 'Lanes of the nodes over time. Arrow keys move, plus and minus zoom, comma and full stop go from mark to mark.');
  box.replaceChildren(svg, tip);
  addTools();
  listen();
  measure();
  draw();
  new ResizeObserver(() => { if (measure()) redraw(); }).observe(box);
}

function measure() {
  if (box.clientWidth === width || !box.clientWidth) return false;
  width = box.clientWidth;
  gutter = width < 900 ? 100 : 134;
  return true;
}
begin();
})();
