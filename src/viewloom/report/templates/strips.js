/* Strips as text (packed.py) become rectangles when their card comes near the window; and a filter of items by name. */
(function(){
"use strict";
const cards = document.getElementById("cards");
if (!cards) return;
const articles = Array.from(cards.querySelectorAll("article"));

/* Rows [first frame, end, other numbers ...] of a text "gap length other ...,gap length ...". */
function unpacked(text, start) {
  let before = start;
  return text ? text.split(",").map(function (row) {
    const [gap, length, ...others] = row.split(" ").map(Number);
    const first = before + gap;
    before = first + length;
    return [first, before, ...others];
  }) : [];
}

function rectangle(kind, row, top, height) {
  const rect = document.createElementNS(cards.querySelector("svg").namespaceURI, "rect");
  const values = {class: kind, x: row[0], width: row[1] - row[0], y: top, height: height};
  for (const name in values) rect.setAttribute(name, values[name]);
  return rect;
}

function draw(svg) {
  const start = svg.viewBox.baseVal.x, [height, pitch, top, below, thick] = svg.dataset.shape.split(" ").map(Number);
  unpacked(svg.dataset.rows, start).forEach(row => svg.appendChild(rectangle("k" + row[2], row, top + pitch * (row[3] || 0), height)));
  unpacked(svg.dataset.wrong, start).forEach(row => svg.appendChild(rectangle("off", row, below, thick)));
  svg.removeAttribute("data-rows");
}

function drawAll(article) { article.querySelectorAll("svg[data-rows]").forEach(draw) }

/* A card is drawn before somebody looks at it, points at it, or prints it. */
if (cards.classList.contains("packed")) {
  const seen = new IntersectionObserver(function (entries) {
    entries.filter(entry => entry.isIntersecting).forEach(function (entry) { drawAll(entry.target); seen.unobserve(entry.target) });
  }, {rootMargin: "800px 0px"});
  articles.forEach(article => seen.observe(article));
  window.addEventListener("beforeprint", () => articles.forEach(drawAll));
}
window.viewloomDraw = drawAll;

/* Items whose name or recording holds what is typed. */
if (articles.length > 3) {
  const box = document.createElement("p"), field = document.createElement("input"), count = document.createElement("span");
  box.className = "filter";
  field.type = "search";
  field.placeholder = "item or recording";
  field.setAttribute("aria-label", "show only items whose name or recording holds this");
  count.setAttribute("role", "status");
  box.append(field, count);
  cards.before(box);
  field.addEventListener("input", function () {
    const wanted = field.value.trim().toLowerCase();
    let shown = 0;
    articles.forEach(function (article) {
      const text = article.querySelector("h4").textContent + " " + article.dataset.recording;
      article.hidden = !text.toLowerCase().includes(wanted);
      shown += article.hidden ? 0 : 1;
    });
    cards.querySelectorAll("h3.group").forEach(function (title) { title.hidden = wanted !== "" });
    count.textContent = wanted ? shown + " of " + articles.length + " items" : "";
  });
}
})();
