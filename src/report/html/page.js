"use strict";
// Shows the table of the page, of which only the rows in sight are elements, and what its rows open. Reads the data
// that the page brings along and asks for nothing else. Text only ever becomes text, never markup.
(() => {
  const ROW = 29, SPARE = 10, PRINTED = 500, SAMPLE = 2000;
  // Pixels for the sign of the order in a head.
  const ARROW = 14;
  // What becomes narrower where there is no room, one after the other, and how narrow at the most: addresses last.
  const GIVING_WAY = [[["text", "doubt"], 70], [["end"], 120]];
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const {columns, rows, texts, base} = data;
  const noun = document.querySelector(".list").dataset.noun;
  const scroller = byId("scroller"), body = byId("rows"), filter = byId("filter"), dialog = byId("detail");
  const grouped = new Intl.NumberFormat("en-US");

  let sorted = {column: -1, descending: false};
  let order = Uint32Array.from(rows.keys()); // all rows, as sorted
  let shown = order; // those of them that pass the filter
  let active = 0; // the place in `shown` that the keyboard is at
  const picked = new Set(); // the words that rows are limited to; none: no limit

  // ---- cells

  // Where all began on one day, it stands once, over the column; else there is no room for fractions of seconds.
  const timeColumn = columns.findIndex(({kind}) => kind === "time");
  const timeOf = (cell) => new Date((base + cell) / 1000).toISOString().replace("T", " ").slice(0, 23);
  const times = timeColumn < 0 ? [] : [Math.min, Math.max].map((most) =>
    timeOf(rows.reduce((time, [cells]) => most(time, cells[timeColumn]), rows.length ? rows[0][0][timeColumn] : 0)));
  const day = times.length > 0 && times[0].slice(0, 10) === times[1].slice(0, 10) ? times[0].slice(0, 10) : "";
  const heading = ({name}, column) => (column === timeColumn && day ? `${name} ${day}` : name);

  const shared = (value) => (typeof value === "number" ? texts[value] : value);
  const word = (column, cell) => columns[column].words[cell];

  function text(column, cell) {
    if (cell === null) return "";
    switch (columns[column].kind) {
      case "number": return grouped.format(cell);
      case "seconds": return (cell / 1e6).toFixed(6);
      case "time": return timeOf(cell);
      case "word": return word(column, cell).text;
      default: return String(cell);
    }
  }

  // The same as far as it stands in the table.
  function brief(column, cell) {
    const whole = text(column, cell);
    return column !== timeColumn ? whole : day ? whole.slice(11) : whole.slice(0, 19);
  }

  const isText = (column) => ["text", "end", "doubt"].includes(columns[column].kind);
  const isNumber = (column) => ["id", "number", "seconds"].includes(columns[column].kind);

  function tone(column, cell) {
    switch (columns[column].kind) {
      case "id": case "number": case "seconds": return "right";
      case "doubt": return "missing";
      case "end": return "end";
      case "word": return cell === null ? "" : word(column, cell).tone;
      default: return "";
    }
  }

  function key(column, cell) {
    return columns[column].kind === "word" && cell !== null ? word(column, cell).rank : cell;
  }

  // ---- order and filter

  // The place of each value of a column among all of them; empty cells have none and come last.
  function ranksOf(column) {
    const keys = new Set(rows.map(([cells]) => key(column, cells[column])));
    keys.delete(null);
    keys.delete("");
    const ranks = new Map();
    if (!isText(column)) {
      Float64Array.from(keys).sort().forEach((value, rank) => ranks.set(value, rank));
      return ranks;
    }
    // Numbers within text by their value, so that port 80 comes before port 443.
    const padded = Array.from(keys, (value) => [value.replace(/\d+/g, (digits) => digits.padStart(9, "0")), value]);
    const places = padded.map(([text], place) => `${text}\0${place}`).sort();
    places.forEach((text, rank) => ranks.set(padded[text.slice(text.lastIndexOf("\0") + 1)][1], rank));
    return ranks;
  }

  function sort(column) {
    const again = sorted.column === column;
    sorted = {column, descending: again && !sorted.descending};
    const ranks = ranksOf(column), last = ranks.size - 1;
    // Rank and row in one number each, which sort without a function to compare them.
    const packed = Float64Array.from(rows, ([cells], row) => {
      const rank = ranks.get(key(column, cells[column]));
      return (rank === undefined ? last + 1 : sorted.descending ? last - rank : rank) * rows.length + row;
    }).sort();
    order = Uint32Array.from(packed, (each) => each % rows.length);
    heads.forEach((head, place) => {
      if (!head) return;
      const state = place !== column ? "none" : sorted.descending ? "descending" : "ascending";
      head.setAttribute("aria-sort", state);
    });
    select();
  }

  let haystacks = null;

  // What the filter looks at: all words of a row, and its number.
  function haystack(row) {
    const parts = rows[row][0].map((cell, column) => {
      return isText(column) || ["id", "word"].includes(columns[column].kind) ? text(column, cell) : "";
    });
    return parts.join(" ").toLowerCase();
  }

  function select() {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const limited = picked.size > 0;
    if (wanted.length > 0 && haystacks === null) haystacks = rows.map((_, row) => haystack(row));
    shown = wanted.length === 0 && !limited ? order : order.filter((row) =>
      (!limited || picked.has(rows[row][0][wordColumn])) && wanted.every((part) => haystacks[row].includes(part)));
    active = 0;
    scroller.scrollTop = 0;
    const all = grouped.format(rows.length), nouns = noun + (rows.length === 1 ? "" : "s");
    byId("count").textContent =
      shown === order ? `${all} ${nouns}` : `${grouped.format(shown.length)} of ${all} ${nouns}`;
    draw();
  }

  // ---- rows in sight

  let drawn = "";

  function draw(all) {
    const first = all ? 0 : Math.max(0, Math.floor(scroller.scrollTop / ROW) - SPARE);
    const room = Math.ceil(scroller.clientHeight / ROW) + 2 * SPARE;
    const last = Math.min(shown.length, all ? PRINTED : first + room);
    const focused = body.contains(document.activeElement);
    body.replaceChildren(pad(first), ...Array.from(shown.subarray(first, last), (row, place) => line(row, first + place)),
      pad(all ? 0 : shown.length - last));
    document.querySelector("table").setAttribute("aria-rowcount", shown.length + 1);
    drawn = `${first} ${last}`;
    if (focused) focusActive();
    if (all && shown.length > last) {
      const row = document.createElement("tr");
      row.append(cell(`the first ${PRINTED} of ${grouped.format(shown.length)} are printed`, "faint"));
      row.firstChild.colSpan = seen.length;
      body.append(row);
    }
  }

  function pad(count) {
    const row = document.createElement("tr");
    const space = cell("", "pad");
    row.setAttribute("aria-hidden", "true");
    space.colSpan = seen.length;
    space.style.height = `${count * ROW}px`;
    row.append(space);
    return row;
  }

  function cell(content, tone) {
    const made = document.createElement("td");
    if (tone === "end") made.append(element("bdi", content));
    else made.textContent = content;
    if (tone) made.className = tone;
    return made;
  }

  function line(row, place) {
    const made = document.createElement("tr");
    made.tabIndex = place === active ? 0 : -1;
    made.dataset.place = place;
    made.setAttribute("aria-rowindex", place + 2);
    seen.forEach((column) => {
      const value = rows[row][0][column], content = brief(column, value), part = cell(content, tone(column, value));
      if (isText(column) && content.length > 6) part.title = content;
      made.append(part);
    });
    return made;
  }

  const activeRow = () => body.querySelector(`[data-place="${active}"]`);

  function focusActive() {
    body.querySelectorAll('[tabindex="0"]').forEach((row) => { row.tabIndex = -1; });
    const row = activeRow();
    if (!row) return;
    row.tabIndex = 0;
    row.focus({preventScroll: true});
  }

  function go(place) {
    if (shown.length === 0) return;
    active = Math.min(Math.max(place, 0), shown.length - 1);
    const top = active * ROW, head = body.parentElement.tHead.offsetHeight;
    const above = scroller.scrollTop, room = scroller.clientHeight - head - ROW;
    if (top < above) scroller.scrollTop = top;
    else if (top > above + room) scroller.scrollTop = top - room;
    draw();
  }

  // ---- what a row opens

  function element(name, content, kind) {
    const made = document.createElement(name);
    if (content !== undefined) made.textContent = content;
    if (kind) made.className = kind;
    return made;
  }

  function pairs(list) {
    const made = element("dl", undefined, "facts");
    for (let at = 0; at < list.length; at += 2) {
      made.append(element("dt", shared(list[at])), element("dd", shared(list[at + 1])));
    }
    return made;
  }

  function open(place) {
    active = place;
    const [cells, detail] = rows[shown[place]];
    const head = cells.slice(0, wordColumn).map((value, column) =>
      `${column > 0 ? `${columns[column].name} ` : ""}${text(column, value)}`);
    byId("what").textContent = `${noun} ${head.join(", ")}: ${text(wordColumn, cells[wordColumn])}`;
    const parts = [];
    (detail.c || []).forEach((connection) => {
      const title = connection.h, level = title ? "h4" : "h3";
      if (title) parts.push(element("h3", title, "connection"));
      const part = (heading, content) => parts.push(element(level, heading), content);
      if (connection.r) part("How it went", drawLadder(connection, cells));
      if (connection.e) {
        part("What proves it", pairs(connection.e.map((value, at) => (at % 2 ? value : `frame ${value}`))));
      }
      const filters = element("div", undefined, "filters");
      filters.append(...connection.w.map((each) => element("code", each)));
      part("In Wireshark, as a display filter", filters);
    });
    const facts = detail.f || [], names = new Set(facts.filter((_, at) => at % 2 === 0).map(shared));
    const others = cells.flatMap((value, column) => {
      const {name} = columns[column], content = text(column, value);
      return column > wordColumn && content !== "" && !names.has(name) ? [name, content] : [];
    });
    const about = [element("h3", "Facts"), pairs([...others, ...facts])];
    if (detail.t) about.push(element("h3", "In full"), element("pre", detail.t));
    // What a row says of several connections comes before them.
    const isOfOne = (detail.c || []).every(({h}) => !h);
    parts.splice(isOfOne ? parts.length : 0, 0, ...about);
    byId("body").replaceChildren(...parts);
    byId("previous").disabled = place === 0;
    byId("next").disabled = place === shown.length - 1;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    byId("what").focus();
  }

  function step(by) {
    const place = active + by;
    if (place < 0 || place >= shown.length) return;
    go(place);
    open(place);
  }

  // ---- ladders: as `closecheck read --ladder=svg` draws them

  const ENDS = ["client", "server"], WIDTH = 820, LANES = [268, 692], PACKET = 36, LINE = 24;

  function drawLadder(ladder, cells) {
    const parties = ladder.p || ENDS.map((end) =>
      `${end} ${cells[columns.findIndex(({name}) => name === end)]}`);
    const make = (name, attributes, content) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      Object.entries(attributes).forEach(([each, value]) => made.setAttribute(each, value));
      if (content !== undefined) made.textContent = content;
      return made;
    };
    const svg = make("svg", {role: "list", "aria-label": `ladder, ${parties.join(", ")}`});
    // A row is one thing to be read aloud, whatever it is drawn of.
    let group = svg;
    const row = (label) => svg.append(group = make("g", {role: "listitem", "aria-label": label}));
    const put = (...what) => group.append(make(...what));
    const write = (x, y, anchor, kind, content) => put("text", {x, y, "text-anchor": anchor, class: kind}, content);
    const middle = (LANES[0] + LANES[1]) / 2;
    let y = 14;
    parties.forEach((party, end) => {
      if (party.length <= 24) write(LANES[end], y, "middle", "party", party);
      else write([14, WIDTH - 14][end], y, ["start", "end"][end], "party", party);
    });
    y += 14;
    const top = y;
    const said = (client, server) => [client, server]
      .map((state, end) => (state === "" ? "" : `, ${ENDS[end]} ${texts[state]}`)).join("");
    const states = (client, server, at) => {
      if (client !== "") write(LANES[0] - 10, at, "end", "state", texts[client]);
      if (server !== "") write(LANES[1] + 10, at, "start", "state", texts[server]);
    };
    const before = ladder.b || ["", ""];
    row(`before${said(...before)}`);
    states(...before, y + 4);
    for (const rung of ladder.r) {
      if (rung.startsWith("(")) {
        y += LINE;
        row(rung);
        write(middle, y + 2, "middle", "faint", rung);
        continue;
      }
      y += PACKET;
      const [number, time, from, flags, seq, ack, len, client, server] = rung.split(",");
      const kind = (flags.includes("R") ? "loud" : flags.includes("F") ? "calm" : "plain") +
        (number.startsWith("*") ? " strong" : "");
      const bytes = `[${flags}] seq ${seq}${ack && ` ack ${ack}`} len ${len}`;
      const decides = number.startsWith("*") ? ", decides" : "";
      row(`frame ${number.replace("*", "")}, ${time} s, ${ENDS[from]} to ${ENDS[1 - from]}, ${bytes}` +
        `${said(client, server)}${decides}`);
      const start = LANES[from], end = LANES[1 - from], back = start < end ? end - 9 : end + 9;
      write(58, y + 4, "end", kind, number);
      write(138, y + 4, "end", "faint", time);
      write(middle, y - 7, "middle", kind, bytes);
      put("path", {class: `shaft ${kind}`, d: `M${start} ${y}H${back}`});
      put("path", {class: `tip ${kind}`, d: `M${end} ${y}L${back} ${y - 5}V${y + 5}Z`});
      states(client, server, y + 4);
    }
    y += 12;
    group = svg;
    LANES.forEach((x) => put("path", {class: "lane", d: `M${x} ${top}V${y}`}));
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${y + 4}`);
    const made = element("div", undefined, "ladder");
    made.append(svg);
    const deciding = ladder.r.find((rung) => rung.startsWith("*"));
    if (deciding) made.append(element("div", `* frame ${deciding.slice(1, deciding.indexOf(","))} ${shared(ladder.d)}`, "mono"));
    return made;
  }

  // ---- the frame of the table

  // What is empty in every row has no column.
  const seen = [...columns.keys()].filter((column) => column < 2 || rows.length === 0 ||
    rows.some(([cells]) => cells[column] !== null && cells[column] !== ""));
  const sample = rows.filter((_, row) => row % Math.ceil(rows.length / SAMPLE) === 0);

  // Columns are as wide as what is in them, and where that is too wide for the page, text gives way: first the longest.
  function layOut() {
    const measure = document.createElement("canvas").getContext("2d");
    const probe = document.createElement("tr");
    probe.append(cell(""));
    body.append(probe);
    const {fontSize, fontFamily, paddingLeft} = getComputedStyle(probe.firstChild);
    const [usual, bold] = [400, 600].map((weight) => `${weight} ${fontSize} ${fontFamily}`);
    const widthOf = (content) => measure.measureText(content).width;
    const natural = seen.map((column) => {
      const {kind, words} = columns[column], name = heading(columns[column], column);
      measure.font = bold;
      const head = Math.max(...name.split(" ").map(widthOf)) + ARROW;
      if (kind !== "word") measure.font = usual;
      const contents = kind === "word" ? words.map((each) => each.text) :
        sample.map(([cells]) => brief(column, cells[column]));
      const widest = contents.reduce((most, content) => Math.max(most, widthOf(content)), head);
      return Math.ceil(widest + 2 * parseFloat(paddingLeft)) + 2;
    });
    const room = scroller.clientWidth, sum = () => widths.reduce((one, other) => one + other, 0);
    let widths = natural;
    for (const [kinds, least] of GIVING_WAY) {
      const gives = seen.map((column) => kinds.includes(columns[column].kind));
      let cap = Math.max(...widths.filter((_, place) => gives[place]));
      for (; sum() > room && cap > least; cap -= 4) {
        widths = widths.map((width, place) => (gives[place] ? Math.min(width, Math.max(cap, least)) : width));
      }
    }
    // Where all that does not help, nothing is shortened: it scrolls sideways anyway.
    if (sum() > room) widths = natural;
    const total = sum();
    probe.remove();
    byId("cols").replaceChildren(...widths.map((width) => {
      const col = document.createElement("col");
      col.style.width = `${(100 * width) / total}%`;
      return col;
    }));
    document.querySelector("table").style.minWidth = `${total}px`;
  }

  const heads = columns.map((each, column) => {
    if (!seen.includes(column)) return null;
    const head = document.createElement("th"), button = element("button", heading(each, column));
    head.scope = "col";
    head.setAttribute("aria-sort", "none");
    if (isNumber(column)) head.className = "right";
    button.type = "button";
    button.addEventListener("click", () => sort(column));
    head.append(button);
    return head;
  });
  byId("heads").append(...seen.map((column) => heads[column]));

  const wordColumn = columns.findIndex(({kind}) => kind === "word");
  if (wordColumn >= 0) {
    const counts = columns[wordColumn].words.map(() => 0);
    rows.forEach(([cells]) => { counts[cells[wordColumn]] += 1; });
    const words = columns[wordColumn].words.map((each, cellValue) => ({...each, cellValue}))
      .filter(({cellValue}) => counts[cellValue] > 0).sort((a, b) => a.rank - b.rank);
    byId("words").append(...words.map(({text: name, tone, cellValue}) => {
      const button = element("button", `${name} ${grouped.format(counts[cellValue])}`, tone);
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        if (!picked.delete(cellValue)) picked.add(cellValue);
        button.setAttribute("aria-pressed", picked.has(cellValue));
        select();
      });
      return button;
    }));
  }

  // ---- what the reader does

  filter.addEventListener("input", select);
  scroller.addEventListener("scroll", () => requestAnimationFrame(() => {
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - SPARE);
    if (!drawn.startsWith(`${first} `)) draw();
  }));
  addEventListener("resize", () => { layOut(); draw(); });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("[data-place]");
    if (row) open(Number(row.dataset.place));
  });
  body.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(scroller.clientHeight / ROW) - 2);
    const places = {ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0,
      End: shown.length - 1};
    if (event.key in places) go(places[event.key]);
    else if (event.key === "Enter" || event.key === " ") open(active);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (dialog.open) {
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    } else if (event.key === "/" && event.target !== filter) {
      event.preventDefault();
      filter.focus();
      filter.select();
    } else if (event.key === "Escape" && event.target === filter) {
      filter.value = "";
      select();
    }
  });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  dialog.addEventListener("close", () => { draw(); focusActive(); });
  addEventListener("beforeprint", () => draw(true));
  addEventListener("afterprint", () => draw());
  select();
  layOut();
})();
