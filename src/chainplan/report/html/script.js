"use strict";
// Plays the steps of a plan. Everything is set as text or attributes, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data.steps || !data.steps.id.length) return;
  document.documentElement.classList.add("js");
  const S = data.steps, count = S.id.length, rowsAtOnce = 100;
  const at = new Map(S.id.map((id, i) => [id, i]));
  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  let now = 0, timer = null, tableFrom = -1;

  // Figures: whole numbers beyond 2^53 come as text; from 10^15 on four digits are shown.
  const plain = (x) => String(x).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const fmt = (x) => { const s = String(x); return s.length <= 15 ? plain(s) : `${s[0]}.${s.slice(1, 4)}·10^${s.length - 1}`; };
  const brief = (x) => { const s = String(x); return s.length <= 7 ? plain(s) : `${s[0]}.${s.slice(1, 3)}·10^${s.length - 1}`; };
  const share = (x, all) => (Number(all) ? (100 * Number(x)) / Number(all) : 0);
  const name = (v) => (v < 0 ? "?" : data.names[v] ?? `#${v}`);

  const el = (tag, attributes, ...inside) => {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    for (const each of inside) made.append(each);
    return made;
  };
  const text = (x, y, words, kind) => el("text", { x, y, class: kind || "" }, words);
  const drawing = (width, height, words) =>
    el("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words });

  // What each operand of a step is called; the same words stand beside the colours.
  const roles = (i) => {
    const reads = S.reads[i], op = data.steps.ops[S.op[i]];
    if (op.startsWith("propagate")) return [[reads[0], op.endsWith("tangent") ? "right" : "left"]];
    if (op === "decompress") return reads.map((id) => [id, "left"]);
    return reads.map((id, k) => [id, ["left", "right", "onto"][k] || "onto"]);
  };
  const alive = (i) => {
    const found = [];
    for (let j = 0; j <= i; j++) if (S.last[j] >= S.id[i]) found.push(j);
    return found;
  };

  // --- the blocks of a chain as bars over the vertices they lead between; the output is on the left
  const MOST_BARS = 60;
  function chainState(i, width) {
    const q = data.length, left = 14, span = width - 28;
    const x = (v) => left + span * (1 - v / q);
    const uses = new Map(roles(i)), living = alive(i).filter((j) => j !== i && S.from[j] >= 0);
    const others = living.filter((j) => !uses.has(S.id[j]));
    const big = others.length > MOST_BARS
      ? [...others].sort((a, b) => Number(S.rows[b]) * Number(S.cols[b]) - Number(S.rows[a]) * Number(S.cols[a])).slice(0, MOST_BARS)
      : others;
    const lanes = [];
    const lane = (a, b) => {
      for (let k = 0; k < 4; k++) if (!(lanes[k] || []).some(([c, d]) => a < d && c < b)) { (lanes[k] ||= []).push([a, b]); return k; }
      return 3;
    };
    const placed = big.map((j) => [j, lane(S.from[j], S.to[j])]);
    const base = 58, step = 24, own = base + 8 + step * Math.max(1, lanes.length), height = own + 76;
    const out = drawing(width, height, `Blocks at step ${S.id[i]}`);
    const few = q <= 24 && span / q > 26;
    out.append(el("line", { class: "tick", x1: x(q), x2: x(0), y1: 22, y2: 22 }));
    if (q <= 200) for (let v = 0; v <= q; v++) out.append(el("line", { class: "tick", x1: x(v), x2: x(v), y1: 18, y2: height - 4 }));
    if (few) for (let v = 0; v <= q; v++) out.append(text(x(v), 13, name(v).slice(0, 6), "small"));
    else { out.append(text(x(q), 13, name(q), "small left")); out.append(text(x(0), 13, name(0), "small right")); }
    const waits = data.elementals.filter((e) => e[3] > S.id[i] || (e[3] === S.id[i] && data.steps.ops[S.op[i]].startsWith("propagate")));
    const runs = [];
    for (const e of [...waits].sort((a, b) => a[1] - b[1])) {
      const run = runs[runs.length - 1];
      if (q > 60 && run && run[1] === e[1]) run[1] = e[2];
      else runs.push([e[1], e[2]]);
    }
    for (const [from, to] of runs) out.append(el("rect", { class: "wait", x: x(to) + 1.5, y: 28, width: Math.max(0.5, x(from) - x(to) - 3), height: 18 }));
    for (const e of waits) {
      if (few) out.append(text((x(e[1]) + x(e[2])) / 2, 41, e[0].length * 7 > span / q ? e[0].slice(0, Math.max(1, Math.floor(span / q / 8))) : e[0], "small"));
    }
    const bar = (j, y, kind, words) => {
      const a = x(S.to[j]), b = x(S.from[j]), full = S.spy[j] === -1 ? " full" : "";
      out.append(el("rect", { class: kind + full, x: a + 1.5, y, width: Math.max(2, b - a - 3), height: 18 }));
      if (words) {
        const wide = words.length * 7 + 6, side = words.startsWith("left") ? a - 5 > wide : b + 5 + wide > width;
        const [px, py, how] = b - a > wide ? [(a + b) / 2, y + 13, ""] : side ? [a - 5, y + 13, "right"] : [b + 5, y + 13, "left"];
        out.append(text(px, py, words, `halo ${how} t-${kind.replace("use-", "")}`));
      }
    };
    for (const [j, k] of placed) bar(j, base + step * k, "have", "");
    let shift = 0;
    for (const [id, role] of roles(i)) if (at.has(id)) { bar(at.get(id), own + shift, `use-${role}`, `${role} #${id}`); if (role === "onto") shift = 0; }
    if (S.from[i] >= 0) bar(i, own + 36, "made", `result #${S.id[i]}`);
    return [out, others.length > big.length ? `${fmt(others.length - big.length)} smaller blocks are alive and not drawn.` : ""];
  }

  // --- a graph: edges are what is still waiting and what is alive; a vertex without an edge is gone
  function edgesAt(i) {
    const uses = new Map(roles(i)), found = [];
    for (const e of data.elementals) {
      const going = e[3] === S.id[i] && data.steps.ops[S.op[i]].startsWith("propagate");
      if (going) found.push([e[1], e[2], data.steps.ops[S.op[i]].endsWith("tangent") ? "use-left" : "use-right", e[0]]);
      else if (e[3] > S.id[i]) found.push([e[1], e[2], "wait", e[0]]);
    }
    for (const j of alive(i)) {
      if (S.from[j] < 0) continue;
      const kind = j === i ? "made" : uses.has(S.id[j]) ? `use-${uses.get(S.id[j])}` : "have";
      found.push([S.from[j], S.to[j], kind, `#${S.id[j]}`]);
    }
    return found;
  }
  const LOUD = ["use-left", "use-right", "use-onto", "made"];
  function curve(a, b, way, bend) {
    const points = [a, ...way, b];
    if (!way.length) {
      const [dx, dy] = [b[0] - a[0], b[1] - a[1]], far = Math.hypot(dx, dy) || 1;
      const c = [(a[0] + b[0]) / 2 - (dy / far) * bend, (a[1] + b[1]) / 2 + (dx / far) * bend];
      const trim = (p, t) => { const l = Math.hypot(p[0] - t[0], p[1] - t[1]) || 1; return [t[0] + ((p[0] - t[0]) / l) * 19, t[1] + ((p[1] - t[1]) / l) * 19]; };
      const s = trim(c, a), e = trim(c, b);
      return [`M${s[0]} ${s[1]}Q${c[0]} ${c[1]} ${e[0]} ${e[1]}`, [(a[0] + 2 * c[0] + b[0]) / 4, (a[1] + 2 * c[1] + b[1]) / 4]];
    }
    let path = `M${a[0] + 17} ${a[1]}`;
    for (let k = 1; k < points.length; k++) {
      const [p, r] = [points[k - 1], points[k]], half = (p[0] + r[0]) / 2, last = k === points.length - 1;
      path += `C${half} ${p[1]} ${half} ${r[1]} ${last ? r[0] - 19 : r[0]} ${r[1]}`;
    }
    return [path, way[Math.floor(way.length / 2)]];
  }
  function graphState(i, width) {
    const edges = edgesAt(i), there = new Set(edges.flatMap((e) => [e[0], e[1]])), ends = new Set([...data.inputs, ...data.outputs]);
    const local = !data.places;
    let places, size, hidden = 0, shown = edges;
    if (local) {
      const loud = new Set(edges.filter((e) => LOUD.includes(e[2])).flatMap((e) => [e[0], e[1]]));
      shown = edges.filter((e) => LOUD.includes(e[2]));
      shown = shown.concat(edges.filter((e) => !LOUD.includes(e[2]) && (loud.has(e[0]) || loud.has(e[1]))).slice(0, 14));
      hidden = edges.length - shown.length;
      const order = [...new Set(shown.flatMap((e) => [e[0], e[1]]))].sort((a, b) => a - b);
      places = {};
      order.forEach((v, k) => (places[v] = [50 + ((Math.max(width, 90 * order.length) - 100) * k) / Math.max(1, order.length - 1), 150 + 60 * ((k % 3) - 1)]));
      size = [Math.max(width, 90 * order.length), 300];
    } else [places, size] = [data.places, data.drawing];
    const out = drawing(size[0], size[1], `Graph at step ${S.id[i]}: ${fmt(there.size)} vertices, ${fmt(edges.length)} edges`);
    const defs = el("defs", {});
    for (const kind of ["wait", "have", ...LOUD]) {
      const size = LOUD.includes(kind) ? 4 : 7;
      defs.append(el("marker", { id: `to-${kind}`, viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: size, markerHeight: size, orient: "auto" },
        el("path", { d: "M0 0L8 4L0 8z", fill: `var(--${{ wait: "soft", have: "held", "use-left": "left", "use-right": "right", "use-onto": "soft", made: "made" }[kind]})` })));
    }
    out.append(defs);
    const seen = new Map(), labels = [];
    const rank = (e) => ["wait", "have", "made", "use-onto", "use-left", "use-right"].indexOf(e[2]);
    for (const e of [...shown].sort((a, b) => rank(a) - rank(b))) {
      const [a, b] = [places[e[0]], places[e[1]]], key = `${e[0]} ${e[1]}`;
      if (!a || !b) continue;
      const before = seen.get(key) || 0;
      seen.set(key, before + 1);
      const ways = data.ways && data.ways[key], straight = Math.abs(b[0] - a[0]) < 1.1 * data.spacing;
      const far = straight ? 0 : Math.min(90, 14 + Math.hypot(b[0] - a[0], b[1] - a[1]) / 9) * ((e[0] + e[1]) % 2 ? 1 : -1);
      const [path, mid] = curve(a, b, before || !ways ? [] : ways, before ? far + 20 * before : far);
      const drawn = el("path", { class: e[2], d: path, "marker-end": `url(#to-${e[2]})` });
      drawn.append(el("title", {}, `${e[3]}: ${name(e[0])} to ${name(e[1])}`));
      out.append(drawn);
      if (LOUD.includes(e[2])) labels.push([mid, e[2] === "made" ? `result ${e[3]}` : `${e[2].slice(4)} ${e[3].slice(0, 14)}`, e[2].replace("use-", "")]);
    }
    for (const [v, p] of Object.entries(places)) {
      const number = Number(v);
      if (!there.has(number) && !ends.has(number)) { out.append(el("circle", { class: "gone", cx: p[0], cy: p[1], r: 3 })); continue; }
      out.append(el("circle", { class: ends.has(number) ? "vertex end" : "vertex", cx: p[0], cy: p[1], r: 15 }, el("title", {}, `${name(number)}, size ${fmt(data.sizes[number] ?? "?")}`)));
      const called = name(number), fits = called.length <= 4;
      if (fits) out.append(text(p[0], p[1] + 4, called, "name"));
      const below = fits ? brief(data.sizes[number] ?? "") : called.length > 14 ? `${called.slice(0, 13)}…` : called;
      out.append(text(p[0], p[1] + 27, below, "small halo"));
    }
    const busy = labels.length ? labels.reduce((sum, each) => sum + each[0][0], 0) / labels.length : 0;
    out.dataset.middle = busy;
    for (const [p, words, kind] of labels) out.append(text(p[0], p[1] + (kind === "onto" ? 18 : -6), words, `halo t-${kind}`));
    return [out, hidden ? `The graph has ${fmt(data.vertices)} vertices; what this step touches is drawn, ${fmt(hidden)} other edges are not.` : ""];
  }

  // --- left · right = result, to scale
  const length = (x, longest) => {
    const n = Number(x);
    return Math.max(3, longest * (data.logarithmic ? Math.log2(n + 1) / Math.log2(Number(data.largest) + 1) : n / Number(data.largest)));
  };
  function product(i, width) {
    const boxes = [], op = data.steps.ops[S.op[i]], used = roles(i);
    const box = (j, kind, words) => boxes.push({ rows: S.rows[j], cols: S.cols[j], spy: S.spy[j], kind, words });
    const free = (rows, cols, kind) => boxes.push({ rows, cols, spy: -1, kind, words: S.of[i].replace(/#\d+|on|←|→/g, "").trim(), dashed: true });
    const missing = used.some(([id]) => !at.has(id));
    if (!missing && op.startsWith("propagate")) {
      const j = at.get(used[0][0]);
      if (op.endsWith("tangent")) { free(S.rows[i], S.rows[j], "left"); boxes.push("·"); box(j, "right", `#${S.id[j]}`); }
      else { box(j, "left", `#${S.id[j]}`); boxes.push("·"); free(S.cols[j], S.cols[i], "right"); }
      boxes.push("=");
    } else if (!missing) {
      used.forEach(([id, role], k) => { if (k) boxes.push(op === "multiply" && k === 1 ? "·" : "+"); box(at.get(id), role, `#${id}`); });
      if (used.length) boxes.push("=");
    }
    box(i, "made", `#${S.id[i]}`);
    const drawn = boxes.filter((b) => typeof b !== "string").length, signs = boxes.length - drawn;
    const longest = Math.max(30, Math.min(120, (width - 20 - 22 * signs) / drawn));
    const height = longest + 62, out = drawing(width, height, `${op} ${S.of[i]}`);
    let x = 6;
    for (const b of boxes) {
      if (typeof b === "string") { out.append(text(x + 9, 12 + longest / 2, b, "op")); x += 22; continue; }
      const w = length(b.cols, longest), h = length(b.rows, longest), slot = Math.max(w, Math.min(longest, 64));
      const px = x + (slot - w) / 2, py = 8 + (longest - h) / 2, kind = b.kind === "made" ? "made" : `use-${b.kind}`;
      out.append(el("rect", { class: kind + (b.spy === -1 ? " full" : ""), x: px, y: py, width: w, height: h, ...(b.dashed ? { "stroke-dasharray": "5 3" } : {}) }));
      if (b.spy >= 0) {
        const [across, down, path] = S.spies[b.spy];
        if (path !== "z") out.append(el("svg", { x: px, y: py, width: w, height: h, viewBox: `0 0 ${across} ${down}`, preserveAspectRatio: "none" },
          el("path", { class: `in-${b.kind}`, d: path })));
      }
      out.append(text(x + slot / 2, longest + 28, b.words.slice(0, 12), `t-${b.kind}`));
      out.append(text(x + slot / 2, longest + 44, brief(b.rows), "small"));
      out.append(text(x + slot / 2, longest + 57, `× ${brief(b.cols)}`, "small"));
      x += slot + 6;
    }
    const undrawn = S.spy[i] === -2 ? " Its pattern is not drawn: the page holds 200 different ones." : "";
    return [out, (missing ? "Its operands are not on this page." : "") + undrawn];
  }

  // --- the table of steps, a window of rows at a time
  function fillTable() {
    const from = Math.floor(now / rowsAtOnce) * rowsAtOnce, body = $("rows");
    if (from !== tableFrom) {
      tableFrom = from;
      body.replaceChildren();
      for (let i = from; i < Math.min(count, from + rowsAtOnce); i++) {
        const row = document.createElement("tr"), go = document.createElement("button");
        go.type = "button";
        go.textContent = `#${S.id[i]}`;
        go.setAttribute("aria-label", `Go to step ${S.id[i]}`);
        go.addEventListener("click", () => show(i));
        const cells = [go, S.ops[S.op[i]], S.of[i], `${name(S.from[i])} → ${name(S.to[i])}`, `${fmt(S.rows[i])} × ${fmt(S.cols[i])}`,
          S.structures[S.structure[i]], fmt(S.price[i]), Number(S.price[i]) ? `${share(S.price[i], data.total).toFixed(1)} %` : "", fmt(S.sofar[i]), fmt(S.alive[i])];
        cells.forEach((cell, c) => { const td = document.createElement("td"); if (c >= 6) td.className = "num"; td.append(cell); row.append(td); });
        row.dataset.row = i;
        body.append(row);
      }
      const words = count > rowsAtOnce ? `Steps ${fmt(S.id[from])} to ${fmt(S.id[Math.min(count, from + rowsAtOnce) - 1])} of ${fmt(data.count)}; the table follows the step shown above.` : `All ${fmt(data.count)} steps.`;
      $("steps-caption").textContent = words + (data.cut ? ` ${data.cut}` : "");
    }
    const box = body.closest(".tall");
    for (const row of body.children) {
      if (Number(row.dataset.row) === now) {
        row.setAttribute("aria-current", "step");
        const [top, room] = [row.offsetTop, box.clientHeight - row.offsetHeight - 40];
        if (top - box.scrollTop > room || top - box.scrollTop < 40) box.scrollTop = top - room / 2;
      }
      else row.removeAttribute("aria-current");
    }
  }

  function put(id, [picture, words]) {
    $(id).replaceChildren(picture);
    const box = $(id).parentElement;
    if (picture.dataset.middle) box.scrollLeft = Number(picture.dataset.middle) - box.clientWidth / 2;
    $(`${id}-note`).textContent = words;
  }
  function show(i) {
    now = Math.max(0, Math.min(count - 1, i));
    const op = S.ops[S.op[now]], made = `${fmt(S.rows[now])} × ${fmt(S.cols[now])} ${S.structures[S.structure[now]]}`;
    $("said").textContent = `Step ${fmt(S.id[now])} of ${fmt(data.count - 1)}: ${op} ${S.of[now]} makes ${made}, ${fmt(S.price[now])} ${data.unit}.`;
    $("cost").textContent = `${fmt(S.sofar[now])} of ${fmt(data.total)} ${data.unit}`;
    $("held").textContent = `${fmt(S.alive[now])} elements in ${fmt(alive(now).length)} blocks`;
    $("cost-bar").style.width = `${share(S.sofar[now], data.total)}%`;
    $("held-bar").style.width = `${share(S.alive[now], data.peak)}%`;
    const wide = (id) => Math.max(240, $(id).clientWidth);
    put("state", data.kind === "chain" ? chainState(now, wide("state")) : graphState(now, wide("state")));
    put("product", product(now, wide("product")));
    $("slider").value = now;
    $("slider").setAttribute("aria-valuetext", `step ${S.id[now]}`);
    if (document.activeElement !== $("number")) $("number").value = S.id[now];
    $("first").disabled = $("back").disabled = now === 0;
    $("next").disabled = $("final").disabled = now === count - 1;
    const line = $("now");
    if (line) { line.classList.add("on"); line.setAttribute("x1", S.id[now] + 0.5); line.setAttribute("x2", S.id[now] + 0.5); }
    for (const task of document.querySelectorAll(".task")) task.classList.toggle("on", task.dataset.step === String(S.id[now]));
    fillTable();
  }
  function stop() { clearInterval(timer); timer = null; $("play").textContent = "Play"; }
  function play() {
    if (timer) return stop();
    if (now === count - 1) show(0);
    $("play").textContent = "Pause";
    timer = setInterval(() => (now === count - 1 ? stop() : show(now + 1)), 900);
  }
  const nearest = (id) => { let low = 0, high = count - 1; while (low < high) { const mid = (low + high) >> 1; if (S.id[mid] < id) low = mid + 1; else high = mid; } return low; };

  $("first").addEventListener("click", () => show(0));
  $("back").addEventListener("click", () => show(now - 1));
  $("next").addEventListener("click", () => show(now + 1));
  $("final").addEventListener("click", () => show(count - 1));
  $("play").addEventListener("click", play);
  $("slider").addEventListener("input", () => show(Number($("slider").value)));
  $("number").addEventListener("change", () => show(nearest(Number($("number").value) || 0)));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, .scroll")) return;
    const moves = { ArrowRight: () => show(now + 1), ArrowLeft: () => show(now - 1) };
    if (event.target.closest("#player")) { moves.Home = () => show(0); moves.End = () => show(count - 1); }
    if (moves[event.key]) { event.preventDefault(); moves[event.key](); }
  });
  let waiting = null, before = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === before) return;
    before = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(() => show(now), 100);
  });
  $("slider").max = count - 1;
  show(0);
})();
