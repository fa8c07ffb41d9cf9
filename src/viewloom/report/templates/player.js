/* Videos beside timelines: one item is open at a time, on one clock, the data set's, in seconds.
   The page's clock leads: videos follow it, and it waits while one of them has no picture yet. */
(function(){
"use strict";
const cards = document.getElementById("cards");
if (!cards) return;
const FPS = parseFloat(cards.dataset.fps);
const NUDGE_S = 0.008;      /* behind a frame's time, so that rounding never shows the frame before */
const JUMP_S = 0.4;         /* a video further off is sent to its place, a nearer one plays faster or slower */
const PATIENCE_MS = 5000;   /* a video that takes longer isn't waited for */
const NAMED = 4;            /* predictions that the line under the videos names */
const SPEEDS = [0.25, 0.5, 1, 2, 4];
const KEYS = [
  ["space, k", "play, pause"], ["← →", "a frame back, on"], ["shift ← →", "a second back, on"],
  ["n, p", "next, previous error"], ["d, shift d", "next, previous disagreement of views or runs"],
  ["s, shift s", "next, previous segment of the truth"], ["home, end", "first, last frame"],
  ["+ −", "faster, slower"], ["i, shift i", "next, previous item"], ["?", "show or hide these keys"], ["esc", "close the item"],
];
let player = null;

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  made.append(...children);
  return made;
}
function button(text, does, title) {
  const made = element("button", {type: "button", title: title || text}, text);
  made.addEventListener("click", does);
  return made;
}
function choice(label, options, chosen, does) {
  const made = element("select", {});
  options.forEach(([value, text]) => made.append(element("option", {value: value}, text)));
  made.value = chosen;
  made.addEventListener("change", () => does(made.value));
  return [element("label", {}, label + " ", made), made];
}
function clock(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6), whole = Math.floor(tenths / 10);
  return Math.floor(whole / 60) + ":" + String(whole % 60).padStart(2, "0") + "." + tenths % 10;
}
function segments(svg, selector) {
  return Array.from(svg.querySelectorAll(selector), function (rect) {
    const first = parseFloat(rect.getAttribute("x"));
    return {first: first, end: first + parseFloat(rect.getAttribute("width")), kind: rect.getAttribute("class").slice(1)};
  });
}
function action(kind) {
  const key = document.getElementById("key" + kind);
  return key ? key.textContent.trim() : "?";
}
function unique(numbers) { return Array.from(new Set(numbers)).sort((a, b) => a - b) }

/* One view's video. */
class Screen {
  constructor(source) {
    this.view = source.dataset.view;
    this.offset = parseFloat(source.dataset.offset);
    this.state = element("span", {class: "state"});
    const caption = element("div", {class: "caption"}, element("b", {}, this.view), " " + source.dataset.kind + " ", this.state);
    this.root = element("div", {class: "screen", "data-view": this.view}, caption);
    if (source.dataset.lack) this.fail(source.dataset.lack);
    else this.load(source.getAttribute("href"));
  }
  load(href) {
    const video = this.video = element("video", {muted: "", playsinline: "", preload: "auto", "aria-label": "the item seen by " + this.view});
    video.muted = true;
    video.addEventListener("error", () => this.fail("can't be played here: " + (href.startsWith("data:") ? "the preview in this page" : decodeURIComponent(href)) +
      " is not there, or of a kind that this browser doesn't play; --embed small makes one that it does"));
    video.src = href;
    this.root.prepend(video);
  }
  fail(why) {
    this.failed = true;
    this.root.classList.add("failed");
    this.state.textContent = why;
    if (this.video) this.video.remove();
    this.video = null;
  }
  inside(at) {
    const length = this.video && this.video.duration;
    return at - this.offset > -1e-6 && !(at - this.offset >= length);
  }
  /* Whether the picture of this moment has yet to come. */
  lacks(at) {
    const video = this.video;
    if (this.failed || !this.inside(at)) return false;
    const near = video.duration - (at - this.offset) < 0.2;
    return video.seeking || video.readyState < (near ? 2 : 3);
  }
  waits(at, now) {
    if (!this.lacks(at)) { this.since = null; this.tell(""); return false }
    if (this.since == null) this.since = now;
    if (now - this.since > PATIENCE_MS) { this.tell("slow: not waited for"); return false }
    return true;
  }
  tell(text) { if (!this.failed && this.state.textContent !== text) this.state.textContent = text }
  pause() { if (this.video && !this.video.paused) this.video.pause() }
  start() { if (this.video && this.video.paused) this.video.play().catch(() => {}) }
  show(at) {
    if (this.failed) return;
    this.pause();
    this.video.playbackRate = 1;
    const there = this.inside(at), wanted = Math.max(0, at - this.offset + NUDGE_S);
    this.root.classList.toggle("outside", !there);
    this.tell(there ? "" : "films nothing at this moment");
    if (there && Math.abs(this.video.currentTime - wanted) > 1e-4) this.video.currentTime = wanted;
  }
  follow(at, speed) {
    if (this.failed) return;
    if (!this.inside(at)) { this.pause(); this.root.classList.add("outside"); this.tell("films nothing at this moment"); return }
    this.root.classList.remove("outside");
    const late = at - this.offset - this.video.currentTime;
    if (Math.abs(late) > JUMP_S * Math.max(1, speed) && !this.video.seeking) this.video.currentTime = at - this.offset + NUDGE_S;
    const rate = speed * (1 + Math.max(-0.2, Math.min(0.2, 2 * late / speed)));
    this.video.playbackRate = Math.abs(late) > 0.01 ? rate : speed;
    this.start();
  }
  close() { if (this.video) { this.video.pause(); this.video.removeAttribute("src"); this.video.load() } }
}

/* An open item. */
class Player {
  constructor(article) {
    window.viewloomDraw(article);
    this.article = article;
    this.first = parseInt(article.dataset.start, 10);
    this.end = this.first + parseInt(article.dataset.frames, 10);
    this.at = this.first / FPS;
    this.speed = 1;
    this.screens = Array.from(article.querySelectorAll(".clips [data-view]"), source => new Screen(source));
    this.strips = article.querySelector(".strips");
    this.truth = segments(article.querySelector("svg.truth"), "rect[class^=k]");
    this.lines = Array.from(article.querySelectorAll("svg.prediction"), svg => ({
      svg: svg, name: svg.getAttribute("aria-label").split(":")[0], says: segments(svg, "rect[class^=k]"), wrong: segments(svg, "rect.off"),
    }));
    const apart = article.querySelector(".apart");
    this.apart = apart ? apart.dataset.places.split(" ").map(Number).filter((_, place) => place % 2 === 0) : [];
    this.build();
    this.follow("");
    this.go(this.first);
  }
  build() {
    const name = this.article.querySelector("h4").textContent;
    this.toggle = button("Play", () => this.playing ? this.pause() : this.play(), "play or pause: space");
    this.toggle.className = "play";
    this.slider = element("input", {type: "range", min: this.first, max: this.end - 1, step: 1, "aria-label": "frame"});
    this.slider.addEventListener("input", () => { this.pause(); this.go(parseInt(this.slider.value, 10)) });
    this.time = element("span", {class: "time"});
    this.said = element("p", {class: "said", "aria-live": "polite"});
    this.keys = element("dl", {class: "keys", hidden: ""}, ...KEYS.flatMap(([key, what]) => [element("dt", {}, key), element("dd", {}, what)]));
    const [speed, speeds] = choice("speed", SPEEDS.map(one => [one, one + " ×"]), 1, value => { this.speed = parseFloat(value) });
    const names = [["", "all predictions"], ...this.lines.map((line, place) => [place, line.name])];
    const [errors, followed] = choice("errors of", names, "", value => this.follow(value));
    this.speeds = speeds;
    this.followed = followed;
    const help = button("?", () => this.help(), "show or hide the keys");
    help.setAttribute("aria-label", "keys");
    help.setAttribute("aria-expanded", "false");
    this.helper = help;
    const bar = element("div", {class: "bar"}, this.toggle, button("‹", () => this.step(-1), "a frame back: ←"), button("›", () => this.step(1), "a frame on: →"), this.slider, this.time);
    const more = element("div", {class: "bar"}, button("previous error", () => this.error(-1), "p"), button("next error", () => this.error(1), "n"));
    if (this.apart.length) more.append(button("next disagreement", () => this.jump(this.apart, 1), "d"));
    more.append(errors, speed, help);
    this.root = element("div", {class: "player", role: "group", "aria-label": "player of " + name});
    if (this.screens.length) this.root.append(element("div", {class: "screens" + (this.screens.length > 4 ? " many" : "")}, ...this.screens.map(screen => screen.root)));
    this.root.append(bar, this.said, more, this.keys);
    this.cursor = element("div", {class: "cursor", "aria-hidden": "true"});
    this.strips.append(this.cursor);
    this.strips.before(this.root);
    this.article.classList.add("open");
    this.article.querySelector("button.watch").textContent = "Close";
  }
  frame() { return Math.max(this.first, Math.min(this.end - 1, Math.floor(this.at * FPS + 1e-6))) }
  go(frame) {
    this.at = Math.max(this.first, Math.min(this.end - 1, frame)) / FPS;
    this.screens.forEach(screen => screen.show(this.at));
    this.mark();
  }
  step(frames) { this.pause(); this.go(this.frame() + frames) }
  jump(places, way) {
    this.pause();
    const now = this.frame();
    const next = way > 0 ? places.find(place => place > now) : places.filter(place => place < now).pop();
    if (next === undefined) { this.said.textContent = "There is none " + (way > 0 ? "behind" : "before") + " this frame."; return }
    this.go(next);
  }
  error(way) { this.jump(this.errors, way) }
  follow(place) {
    const chosen = place === "" ? this.lines : [this.lines[place]];
    this.errors = unique(chosen.flatMap(line => line.wrong.map(one => one.first)));
    this.lines.forEach(line => line.svg.classList.toggle("followed", place !== "" && line === chosen[0]));
    this.followed.value = place;
  }
  help() {
    this.keys.hidden = !this.keys.hidden;
    this.helper.setAttribute("aria-expanded", String(!this.keys.hidden));
  }
  faster(way) {
    const place = SPEEDS.indexOf(this.speed) + way;
    this.speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, place))];
    this.speeds.value = this.speed;
  }
  play() {
    if (this.frame() >= this.end - 1) this.go(this.first);
    this.playing = true;
    this.toggle.textContent = "Pause";
    this.said.setAttribute("aria-live", "off");
    this.before = null;
    requestAnimationFrame(now => this.tick(now));
  }
  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.toggle.textContent = "Play";
    this.said.setAttribute("aria-live", "polite");
    this.go(this.frame());
  }
  tick(now) {
    if (!this.playing) return;
    const late = this.screens.filter(screen => screen.waits(this.at, now));
    if (late.length) {
      this.screens.forEach(screen => late.includes(screen) ? screen.start() : screen.pause());
      late.forEach(screen => screen.tell("loading"));
      this.before = null;
    } else {
      if (this.before !== null) this.at += Math.min(0.25, (now - this.before) / 1000) * this.speed;
      this.before = now;
      this.screens.forEach(screen => screen.follow(this.at, this.speed));
    }
    this.mark();
    if (this.at * FPS >= this.end - 1) { this.at = (this.end - 1) / FPS; this.pause(); return }
    requestAnimationFrame(later => this.tick(later));
  }
  mark() {
    const truth = this.article.querySelector("svg.truth"), host = this.strips.getBoundingClientRect(), box = truth.getBoundingClientRect();
    const share = (this.at * FPS - this.first) / (this.end - this.first);
    this.cursor.style.left = box.left - host.left + share * box.width + "px";
    const frame = this.frame();
    if (frame === this.marked) return;
    this.marked = frame;
    this.slider.value = frame;
    this.slider.setAttribute("aria-valuetext", clock((frame - this.first) / FPS) + ", frame " + frame);
    this.time.textContent = clock((frame - this.first) / FPS) + " · frame " + frame;
    this.article.dataset.frame = frame;
    this.tell(frame);
  }
  tell(frame) {
    const here = rows => rows.filter(one => one.first <= frame && frame < one.end);
    const names = rows => here(rows).map(one => action(one.kind)).join(", ") || "nothing";
    const wrong = this.lines.filter(line => here(line.wrong).length);
    const shown = wrong.slice(0, NAMED).map(line => line.name + " says " + names(line.says)).join("; ");
    const more = wrong.length > NAMED ? "; and " + (wrong.length - NAMED) + " more" : "";
    this.said.textContent = "truth: " + names(this.truth) + (wrong.length ? " · wrong: " + shown + more : " · no prediction is wrong");
  }
  close() {
    this.playing = false;
    this.screens.forEach(screen => screen.close());
    this.lines.forEach(line => line.svg.classList.remove("followed"));
    this.article.classList.remove("open");
    const opener = this.article.querySelector("button.watch");
    opener.textContent = opener.dataset.text;
    delete this.article.dataset.frame;
    this.cursor.remove();
    this.root.remove();
  }
}

function close(back) {
  if (!player) return;
  const opener = player.article.querySelector("button.watch");
  player.close();
  player = null;
  if (back) opener.focus();
}
function open(article) {
  if (player && player.article === article) return player;
  close(false);
  player = new Player(article);
  return player;
}
function shownArticles() { return Array.from(cards.querySelectorAll("article")).filter(article => !article.hidden) }
function other(way) {
  const articles = shownArticles(), next = articles[articles.indexOf(player.article) + way];
  if (!next) return;
  open(next).toggle.focus();
  next.scrollIntoView({block: "start"});
}

cards.classList.add("live");
shownArticles().forEach(function (article) {
  const films = article.querySelector(".clips a"), name = article.querySelector("h4").textContent;
  const made = button(films ? "Watch" : "Step through", function () {
    if (player && player.article === article) { close(true); return }
    open(article).toggle.focus({preventScroll: true});
    player.root.scrollIntoView({block: "nearest"});
  }, "open this item: " + name);
  made.className = "watch";
  made.dataset.text = made.textContent;
  article.querySelector("header").append(made);
});

/* A press on a segment goes to its first frame, on a mark of errors to its first one; with shift to that very place. */
cards.addEventListener("click", function (event) {
  const rect = event.target.closest("svg.strip rect"), place = event.target.closest("a[data-at]");
  if (place) {
    event.preventDefault();
    open(place.closest("article")).pause();
    player.go(parseInt(place.dataset.at, 10));
    player.root.scrollIntoView({block: "nearest"});
    return;
  }
  if (!rect) return;
  const svg = rect.ownerSVGElement, box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
  const here = Math.floor(view.x + (event.clientX - box.left) / box.width * view.width);
  open(rect.closest("article")).pause();
  const line = player.lines.findIndex(one => one.svg === svg);
  if (line >= 0) player.follow(line);
  player.go(event.shiftKey ? here : parseFloat(rect.getAttribute("x")));
  player.toggle.focus({preventScroll: true});
  player.root.scrollIntoView({block: "nearest"});
});

const DOES = {
  " ": one => one.toggle.click(), k: one => one.toggle.click(),
  ArrowLeft: one => one.step(-1), ArrowRight: one => one.step(1),
  "shift ArrowLeft": one => one.step(-Math.round(FPS)), "shift ArrowRight": one => one.step(Math.round(FPS)),
  n: one => one.error(1), p: one => one.error(-1),
  d: one => one.jump(one.apart, 1), "shift d": one => one.jump(one.apart, -1),
  s: one => one.jump(unique(one.truth.map(of => of.first)), 1), "shift s": one => one.jump(unique(one.truth.map(of => of.first)), -1),
  Home: one => { one.pause(); one.go(one.first) }, End: one => { one.pause(); one.go(one.end - 1) },
  "+": one => one.faster(1), "-": one => one.faster(-1),
  i: () => other(1), "shift i": () => other(-1), "?": one => one.help(), Escape: () => close(true),
};

/* Keys belong to the open item while the focus is in it, or nowhere; never to somebody who types. */
document.addEventListener("keydown", function (event) {
  if (!player || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  const target = event.target, own = player.article.contains(target);
  if (!own && target !== document.body) return;
  if (target.closest("textarea, select, input:not([type=range])")) return;
  if (event.key === " " && target.closest("button, summary, a")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const does = DOES[(event.shiftKey && !"?+".includes(key) ? "shift " : "") + key];
  if (!does) return;
  event.preventDefault();
  does(player);
});
window.addEventListener("resize", () => { if (player) player.mark() });
document.addEventListener("visibilitychange", () => { if (player && document.hidden) player.pause() });
window.addEventListener("beforeprint", () => { if (player) player.pause() });
})();
