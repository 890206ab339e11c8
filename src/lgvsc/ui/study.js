"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const random = () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32;
const participant = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
const addresses = {};
const address = (name) => {
  if (!addresses[name]) {
    const bytes = Uint8Array.from(atob(data.videos[name]), (c) => c.charCodeAt(0));
    addresses[name] = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  }
  return addresses[name];
};
const shuffled = (items) => {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
};
const pick = (from) => shuffled(from.map((pair, index) => index).filter((index) => from[index]));
const ordinary = pick(data.pairs.map((pair) => !pair.always)).slice(0, data.most || data.pairs.length);
const order = shuffled([...ordinary, ...pick(data.pairs.map((pair) => pair.always))]);
const answers = [];
let place = 0, swapped = false, shownAt = 0;
const ended = new Set();

at("question").textContent = data.question;
at("progress").textContent = `${order.length} pairs`;

function show() {
  if (place === order.length) {
    at("pair").hidden = true;
    at("end").hidden = false;
    at("progress").textContent = `${answers.length} of ${order.length} answered`;
    at("save").focus();
    return;
  }
  const pair = data.pairs[order[place]];
  swapped = random() < 0.5;
  const [left, right] = swapped ? [pair.second, pair.first] : [pair.first, pair.second];
  at("left").src = address(left);
  at("right").src = address(right);
  at("progress").textContent = `Pair ${place + 1} of ${order.length}`;
  at("choose-left").disabled = at("choose-right").disabled = true;
  shownAt = Date.now();
  play();
}
function play() {
  ended.clear();
  for (const id of ["left", "right"]) {
    at(id).currentTime = 0;
    at(id).play().catch(() => allow());
  }
}
function allow() {
  at("choose-left").disabled = at("choose-right").disabled = false;
}
function choose(left) {
  if (at("pair").hidden || at("choose-left").disabled) return;
  const first = left !== swapped;
  answers.push({ pair: order[place], chosen: first ? "first" : "second", left_was: swapped ? "second" : "first", seconds: (Date.now() - shownAt) / 1000 });
  place += 1;
  show();
}
for (const id of ["left", "right"])
  at(id).addEventListener("ended", () => {
    ended.add(id);
    if (ended.size === 2) allow();
  });
at("begin").addEventListener("click", () => {
  at("start").hidden = true;
  at("pair").hidden = false;
  show();
});
at("choose-left").addEventListener("click", () => choose(true));
at("choose-right").addEventListener("click", () => choose(false));
at("again").addEventListener("click", play);
document.addEventListener("keydown", (event) => {
  if (event.key === "1") choose(true);
  if (event.key === "2") choose(false);
  if (event.key === "r" || event.key === "R") play();
});
at("save").addEventListener("click", () => {
  const text = JSON.stringify({ study: data.study, participant, answers, agent: navigator.userAgent });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `answers-${participant}.json`;
  link.click();
});
