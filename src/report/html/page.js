// Shows the table of the page, of which only the rows in sight are elements, and what its rows open. Reads the data
// that the page brings along and asks for nothing else. Text only ever becomes text, never markup.
(() => {
  // Pixels: of a row of one line, and between lines and the edges of one of several.
  const ROW = 29, EDGES = 10;
  const SPARE = 10, PRINTED = 500, SAMPLE = 2000;
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
  const heights = new Uint16Array(rows.length).fill(ROW); // of all rows, in pixels
  let tops = new Float64Array(1); // where those in `shown` begin, and where the last one ends
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

  const isText = (column) => ["text", "amount", "end", "doubt"].includes(columns[column].kind);
  const isNumber = (column) => ["id", "number", "amount", "seconds"].includes(columns[column].kind);
  const isWrapped = (column) => ["text", "doubt"].includes(columns[column].kind);

  function tone(column, cell) {
    switch (columns[column].kind) {
      case "id": case "number": case "amount": case "seconds": return "right";
      case "text": return "wrapped";
      case "doubt": return "wrapped missing";
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

  // What the filter looks at: the words of a row, its number, and what it opens but for the packets. Texts that rows
  // share are there by their numbers: each is looked at once, however many rows have it.
  function haystack([cells, {f = [], c = [], t = ""}]) {
    const parts = cells.map((cell, column) => {
      return isText(column) || ["id", "word"].includes(columns[column].kind) ? text(column, cell) : "";
    });
    const numbers = [];
    const take = (value) => {
      if (typeof value === "number") numbers.push(value);
      else if (value) parts.push(value);
    };
    for (let at = 1; at < f.length; at += 2) take(f[at]);
    for (const {h, p = [], e = [], d, n = []} of c) {
      take(h);
      take(d);
      p.forEach(take);
      n.forEach(take);
      for (let at = 1; at < e.length; at += 2) take(e[at]);
    }
    take(t);
    return {own: parts.join(" ").toLowerCase(), numbers};
  }

  // Whether a row has a word.
  function finder(part) {
    const has = texts.map((shared) => shared.toLowerCase().includes(part));
    const isShared = has.includes(true);
    return ({own, numbers}) => own.includes(part) || (isShared && numbers.some((number) => has[number]));
  }

  function select() {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const limited = picked.size > 0, finders = wanted.map(finder);
    if (wanted.length > 0 && haystacks === null) haystacks = rows.map(haystack);
    shown = wanted.length === 0 && !limited ? order : order.filter((row) =>
      (!limited || picked.has(rows[row][0][wordColumn])) && finders.every((has) => has(haystacks[row])));
    stack();
    active = 0;
    scroller.scrollTop = 0;
    const all = grouped.format(rows.length), nouns = noun + (rows.length === 1 ? "" : "s");
    byId("count").textContent =
      shown === order ? `${all} ${nouns}` : `${grouped.format(shown.length)} of ${all} ${nouns}`;
    draw();
  }

  // ---- rows in sight

  let drawn = "";

  function stack() {
    tops = new Float64Array(shown.length + 1);
    shown.forEach((row, place) => { tops[place + 1] = tops[place] + heights[row]; });
  }

  // The place of the row at this height.
  function placeAt(height) {
    let [low, high] = [0, shown.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tops[middle + 1] > height) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  const firstInSight = () => Math.max(0, placeAt(scroller.scrollTop) - SPARE);

  function draw(all) {
    const first = all ? 0 : firstInSight();
    const bottom = placeAt(scroller.scrollTop + scroller.clientHeight) + SPARE;
    const last = Math.min(shown.length, all ? PRINTED : bottom);
    const focused = body.contains(document.activeElement);
    body.replaceChildren(pad(tops[first]), ...Array.from(shown.subarray(first, last), (row, place) => line(row, first + place)),
      pad(all ? 0 : tops[shown.length] - tops[last]));
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

  function pad(height) {
    const row = document.createElement("tr");
    const space = cell("", "pad");
    row.setAttribute("aria-hidden", "true");
    space.colSpan = seen.length;
    space.style.height = `${height}px`;
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
    made.style.height = `${heights[row]}px`;
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
    const room = scroller.clientHeight - body.parentElement.tHead.offsetHeight;
    const top = tops[active], bottom = tops[active + 1];
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + room) scroller.scrollTop = bottom - room;
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

  const partiesOf = (cells) => ENDS.map((end) => `${end} ${cells[columns.findIndex(({name}) => name === end)]}`);

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
      if (connection.r) part("How it went",
        drawLadder(connection, connection.p || partiesOf(cells), texts, shared(connection.d)));
      if (connection.e) {
        part("What proves it", pairs(connection.e.map((value, at) => (at % 2 ? value : `frame ${value}`))));
      }
      part("In Wireshark, as a display filter", drawFilters(connection));
    });
    const facts = detail.f || [], names = new Set(facts.filter((_, at) => at % 2 === 0).map(shared));
    const others = cells.flatMap((value, column) => {
      const {name} = columns[column], content = text(column, value);
      return column > wordColumn && content !== "" && !names.has(name) ? [name, content] : [];
    });
    const about = [element("h3", "Facts"), pairs([...others, ...facts])];
    const full = detail.t || detail.j;
    if (full) about.push(element("h3", "In full"), element("pre", full));
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

  // Each with the file to open for it, where there is one.
  function drawFilters({w, n = []}) {
    const filters = element("div", undefined, "filters");
    w.forEach((filter, at) => {
      const line = element("p");
      line.append(element("code", filter));
      if (n.length > 0) {
        const file = element("span", "in ", "file");
        file.append(element("code", shared(n[at])));
        line.append(" ", file);
      }
      filters.append(line);
    });
    return filters;
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
    wrap(widths.map((width) => (width * Math.max(room, total)) / total), (content) => {
      measure.font = usual;
      return widthOf(content) + 2 * parseFloat(paddingLeft);
    });
  }

  // Gives each row the height of the text in it that takes most lines.
  function wrap(widths, widthOf) {
    const probes = element("div", undefined, "probes");
    const wrapped = seen.flatMap((column, place) => (isWrapped(column) ? [[column, new Map(), widths[place]]] : []));
    heights.fill(ROW);
    for (const [column, probed, width] of wrapped) {
      for (const content of new Set(rows.map(([cells]) => cells[column]))) {
        if (!content || widthOf(content) < width - 1) continue;
        const probe = element("div", content);
        probe.style.width = `${Math.floor(width)}px`;
        probed.set(content, probe);
        probes.append(probe);
      }
    }
    scroller.append(probes);
    for (const [column, probed] of wrapped) {
      const tall = new Map(Array.from(probed, ([content, {offsetHeight}]) => [content, offsetHeight + EDGES]));
      if (tall.size === 0) continue;
      rows.forEach(([cells], row) => { heights[row] = Math.max(heights[row], tall.get(cells[column]) || 0); });
    }
    probes.remove();
    stack();
  }

  const heads = columns.map((each, column) => {
    if (!seen.includes(column)) return null;
    const head = document.createElement("th"), button = element("button", "");
    const words = heading(each, column).split(" ");
    button.append(...words.flatMap((word, place) => [place > 0 ? " " : "", element("span", word)]));
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
    if (!drawn.startsWith(`${firstInSight()} `)) draw();
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
      if (event.target.closest(".course")) return;
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
  // What there is to scroll takes room from the columns, whose widths make the heights of rows.
  select();
  layOut();
  draw();
})();
