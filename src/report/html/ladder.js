"use strict";
// Draws ladders as `closecheck read --ladder=svg` does.

const ENDS = ["client", "server"];

// The course of a connection between two parties, with the texts of states by their numbers, and what the marked frame
// decides.
function drawLadder(ladder, parties, texts, reason) {
  const WIDTH = 820, LANES = [268, 692], PACKET = 36, LINE = 24;
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
    const [number, time, from, flags, seq, ack, len, client, server, effect] = rung.split(",");
    const isIdle = effect === "0";
    const kind = (flags.includes("R") ? "loud" : flags.includes("F") ? "calm" : "plain") +
      (number.startsWith("*") ? " strong" : "") + (isIdle ? " idle" : "");
    const bytes = `[${flags}] seq ${seq}${ack && ` ack ${ack}`} len ${len}${isIdle ? ", without effect" : ""}`;
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
  const element = (name, kind, ...content) => {
    const made = document.createElement(name);
    made.className = kind;
    made.append(...content);
    return made;
  };
  // Where it is wider than the page, it is moved by the keys as well.
  const course = element("div", "course", svg);
  course.tabIndex = 0;
  course.setAttribute("role", "group");
  course.setAttribute("aria-label", "ladder, scrolls sideways");
  const deciding = ladder.r.find((rung) => rung.startsWith("*"));
  const decided = deciding ? [element("div", "mono", `* frame ${deciding.slice(1, deciding.indexOf(","))} ${reason}`)] : [];
  return element("div", "ladder", course, ...decided);
}
