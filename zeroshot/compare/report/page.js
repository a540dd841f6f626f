"use strict";
(() => {
  document.documentElement.classList.add("script");

  // --- tables: sorted by a click on a heading; rows without a figure stay at the end ---

  const figureIn = (row, column) => {
    const cell = row.cells[column];
    if (!cell || cell.colSpan > 1) return null;
    if (column === 0) return cell.textContent;
    if (cell.dataset.value === undefined) return null;
    return Number(cell.dataset.value.replace("inf", "Infinity"));
  };

  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);

  const sort = (table, heading) => {
    const column = heading.cellIndex;
    const wanted = heading.dataset.first;
    const now = heading.getAttribute("aria-sort");
    const other = { ascending: "descending", descending: "ascending" };
    const order = now ? other[now] : wanted;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [figureIn(row, column), row]);
    const there = rows.filter(([value]) => value !== null && !Number.isNaN(value));
    const absent = rows.filter(([value]) => value === null || Number.isNaN(value));
    there.sort(([a], [b]) => (order === "ascending" ? compare(a, b) : compare(b, a)));
    for (const [, row] of [...there, ...absent]) body.append(row);
    for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      const text = heading.textContent;
      heading.dataset.first = text.includes("↑") || text === "images" ? "descending" : "ascending";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => sort(table, heading));
      heading.replaceChildren(button);
    }
  }

  // --- the slider between two pictures ---

  const start = (viewer) => {
    const article = viewer.closest("article");
    const find = (selector) => viewer.querySelector(selector);
    const [left, right, view] = ["select.left", "select.right", "select.view"].map(find);
    const [stage, over, under, slide] = [".stage", ".over", ".under", "input"].map(find);

    const picture = (shown) =>
      article.querySelector(`img[data-view="${view.value}"][data-shown="${shown}"]`) ||
      article.querySelector(`img[data-view="whole"][data-shown="${shown}"]`);

    const put = (image, tag, choice) => {
      const source = picture(choice.value);
      image.src = source.src;
      image.alt = source.alt;
      const isDetail = view.value !== "whole";
      // What is enlarged shows its pixels: a detail, or a picture of a lower resolution than the others.
      image.classList.toggle("pixels", isDetail || source.naturalWidth * 1.5 < stage.clientWidth);
      const { label, figure } = choice.selectedOptions[0].dataset;
      tag.textContent = figure ? `${label} · ${figure}` : label;
    };

    const show = () => {
      const isDetail = view.value !== "whole";
      stage.style.aspectRatio = isDetail ? "1" : viewer.dataset.ratio;
      const [width, height] = viewer.dataset.ratio.split("/").map(Number);
      const ratio = isDetail ? 1 : width / height;
      // Details by a whole factor, so that every pixel has the same size.
      const detail = Number(viewer.dataset.detail);
      const room = Math.min(viewer.clientWidth - 30, 0.78 * ratio * window.innerHeight);
      const factor = Math.max(1, Math.floor(Math.min(room, 640) / detail));
      const wanted = isDetail ? factor * detail : Math.max(Number(viewer.dataset.width), 480);
      stage.style.width = `${Math.max(120, Math.min(wanted, room, 1100))}px`;
      find(".boxes").hidden = isDetail;
      put(over, find(".tag.left"), left);
      put(under, find(".tag.right"), right);
    };

    const move = () => {
      stage.style.setProperty("--cut", `${slide.value}%`);
      slide.setAttribute("aria-valuetext", `${slide.value} % ${left.selectedOptions[0].dataset.label}`);
    };

    const follow = (event) => {
      const frame = stage.getBoundingClientRect();
      const share = (event.clientX - frame.left) / frame.width;
      slide.value = String(Math.round(100 * Math.min(1, Math.max(0, share))));
      move();
    };

    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      stage.setPointerCapture(event.pointerId);
      follow(event);
      slide.focus({ preventScroll: true, focusVisible: false });
    });
    stage.addEventListener("pointermove", (event) => {
      if (stage.hasPointerCapture(event.pointerId)) follow(event);
    });
    slide.addEventListener("input", move);
    for (const choice of [left, right, view]) {
      choice.addEventListener("change", () => {
        show();
        move();
      });
    }
    find(".swap").addEventListener("click", () => {
      [left.value, right.value] = [right.value, left.value];
      show();
      move();
    });
    viewer.hidden = false;
    show();
    move();
    window.addEventListener("resize", show);
  };

  document.querySelectorAll(".viewer").forEach(start);

  // --- whole pictures: folded away where the slider shows them, all there on paper ---

  const folded = [...document.querySelectorAll("details.wholes")].filter((one) =>
    one.closest("article").querySelector(".viewer"),
  );
  for (const one of folded) one.open = false;
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
})();
