// The player of the flip-book (flipbook.py): puts itself in the place of the printed pages.
(() => {
  "use strict";
  const BELOW = 1002; // codes: 0 is above the page, 1 + y lies on it
  const PAUSE = 800; // milliseconds between pages
  const LONG_PAUSE = 2500; // for readers who want less motion

  function make(tag, className, attributes = {}, text = "") {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  function decoded(base64, Numbers) {
    return new Numbers(Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0)).buffer);
  }

  function draw(panel, codes, heights, { x, runs, ends }) {
    panel.querySelectorAll("path.flipbook-group").forEach((path, i) => {
      let dots = "";
      for (let row = runs[i][0]; row < runs[i][1]; row++) {
        if (codes[row] > 0 && codes[row] < BELOW) dots += `M${x[row]} ${codes[row] - 1}h1`;
      }
      path.setAttribute("d", dots);
    });
    panel.querySelectorAll("path.flipbook-line").forEach((path, i) => {
      const [left, right] = ends[i];
      path.setAttribute("d", `M${x[left]} ${heights[2 * i]}L${x[right]} ${heights[2 * i + 1]}`);
    });
    const above = codes.filter((code) => code === 0).length;
    const below = codes.filter((code) => code === BELOW).length;
    const shown = codes.length - above - below;
    panel.querySelector(".flipbook-count").textContent =
      above || below ? `▲ ${above} above · ▼ ${below} below · ${shown} shown` : `all ${shown} shown`;
  }

  function start(figure) {
    const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const books = data.books.map((book) => decoded(book, Uint16Array));
    const lines = data.lines.map((line) => decoded(line, Int16Array)); // empty: dots alone
    const grid = figure.querySelector(".flipbook-grid");
    const rows = data.x.length;
    const heights = 2 * data.ends.length;
    let page = 1;
    let timer = null;

    const player = make("div", "flipbook-player", {
      role: "group",
      tabindex: "0",
      "aria-label": "Flip-book: arrow keys turn the pages, space plays and pauses",
      "data-lm-suppress-shortcuts": "true", // JupyterLab's own keys
    });
    const stage = make("div", "flipbook-stage", {
      role: "img",
      "aria-label": grid.getAttribute("aria-label"),
    });
    const panels = [...grid.querySelectorAll(".flipbook-page-1")].map((printed) => {
      const panel = printed.cloneNode(true);
      panel.querySelector(".flipbook-number").remove();
      return panel;
    });
    stage.append(grid.querySelector(".flipbook-panel").cloneNode(true), ...panels);

    const controls = make("div", "flipbook-controls");
    const previous = make("button", "", { type: "button", "aria-label": "Previous page" }, "‹");
    const play = make("button", "flipbook-play", { type: "button" });
    const next = make("button", "", { type: "button", "aria-label": "Next page" }, "›");
    const slider = make("input", "", {
      type: "range", min: 1, max: data.pages, step: 1, value: 1, "aria-label": "Page",
    });
    const counter = make("span", "flipbook-counter");
    const status = make("span", "flipbook-status", { role: "status", "aria-live": "polite" });
    controls.append(previous, play, next, counter, slider, status);
    player.append(controls, stage);

    function title() {
      const name = data.names.length ? `: ${data.names[page - 1]}` : "";
      return `page ${page} of ${data.pages}${name}`;
    }

    function show(number) {
      page = 1 + ((number - 1 + data.pages) % data.pages);
      panels.forEach((panel, i) => {
        const here = (numbers, size) => numbers.subarray((page - 1) * size, page * size);
        draw(panel, here(books[i], rows), here(lines[i], heights), data);
      });
      slider.value = page;
      slider.setAttribute("aria-valuetext", title());
      counter.textContent = title();
    }

    function label(word) {
      play.textContent = word;
      play.setAttribute("aria-label", `${word} the flip-book`);
    }

    function pause() {
      clearInterval(timer);
      timer = null;
      label("Play");
    }

    function toggle() {
      if (timer !== null) return pause();
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      timer = setInterval(
        () => (player.isConnected ? show(page + 1) : pause()),
        calm ? LONG_PAUSE : PAUSE,
      );
      label("Pause");
      status.textContent = "";
    }

    function turnTo(number, spoken = true) {
      pause();
      show(number);
      const counts = panels.map((panel) => {
        const name = panel.querySelector(".flipbook-name").textContent;
        return `${name}: ${panel.querySelector(".flipbook-count").textContent.replace(/[▲▼] /g, "")}`;
      });
      status.textContent = spoken ? `${title().replace("page", "Page")}. ${counts.join("; ")}` : "";
    }

    previous.addEventListener("click", () => turnTo(page - 1));
    next.addEventListener("click", () => turnTo(page + 1));
    play.addEventListener("click", toggle);
    slider.addEventListener("input", () => turnTo(Number(slider.value), false)); // speaks itself

    const keys = {
      ArrowLeft: () => turnTo(page - 1),
      ArrowRight: () => turnTo(page + 1),
      Home: () => turnTo(1),
      End: () => turnTo(data.pages),
      " ": toggle,
    };
    player.addEventListener("keydown", (event) => {
      if (!(event.key in keys) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.stopPropagation(); // the page and JupyterLab have other uses for these keys
      const native = event.target === slider ? event.key !== " " : event.key === " " && event.target !== player;
      if (native) return;
      event.preventDefault();
      keys[event.key]();
    });

    pause();
    show(1);
    grid.before(player);
  }

  for (const figure of document.querySelectorAll(".flipbook:not([data-running])")) {
    figure.setAttribute("data-running", "");
    start(figure);
  }
})();
