"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const status = document.getElementById("status");
  const hiddenSystems = new Set();

  // Sorting: a header button sorts by its column, unknown values last in both directions.
  const valueOf = (row, column) => {
    const cell = row.children[column];
    if (cell.tagName === "TD" && cell.classList.contains("number")) {
      return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
    }
    return cell.textContent.trim().toLowerCase();
  };
  const compare = (one, other) => (typeof one === "number" ? one - other : one < other ? -1 : one > other ? 1 : 0);
  const sortBy = (table, header, column) => {
    const isNumber = header.classList.contains("number");
    const current = header.getAttribute("aria-sort");
    const next = current === null ? (isNumber ? "descending" : "ascending") : current === "ascending" ? "descending" : "ascending";
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column), row]);
    rows.sort(([one], [other]) => (one === null || other === null ? (one === null) - (other === null) : sign * compare(one, other)));
    table.tBodies[0].append(...rows.map(([, row]) => row));
    status.textContent = `Sorted by ${header.querySelector(".name, button").textContent}, ${next}`;
  };
  all("table.sortable").forEach((table) => {
    if (table.tBodies[0].rows.length < 2) return;
    all("thead th", table).forEach((header, column) => {
      const name = header.querySelector(".name");
      const button = document.createElement("button");
      button.type = "button";
      button.append(name.textContent);
      button.addEventListener("click", () => sortBy(table, header, column));
      name.replaceWith(button);
    });
  });

  // The failure browser: system, direction and words narrow the list.
  const filterChanges = (section) => {
    const wanted = {};
    all("[data-filter]", section).forEach((control) => { wanted[control.dataset.filter] = control.value.trim().toLowerCase(); });
    const entries = all(".change", section);
    entries.forEach((entry) => {
      entry.hidden =
        hiddenSystems.has(`${section.id}:${entry.dataset.series}`) ||
        (wanted.system !== "" && entry.dataset.series !== wanted.system) ||
        (wanted.direction !== "" && entry.dataset.direction !== wanted.direction) ||
        !entry.textContent.toLowerCase().includes(wanted.search);
    });
    const shown = entries.filter((entry) => !entry.hidden).length;
    if (entries.length) section.querySelector(".count").textContent = `${shown} of ${entries.length} changes shown`;
  };
  const sections = all("section.dataset");
  sections.forEach((section) => {
    all("[data-filter]", section).forEach((control) => control.addEventListener("input", () => filterChanges(section)));
    all(".filters", section).forEach((filters) => { filters.hidden = false; });
    filterChanges(section);
  });

  // Systems: a checkbox hides its rows, its part of each figure and its queries.
  const boxes = all(".check input");
  const showSystem = (box) => {
    box.value.split(" ").forEach((place) => {
      const [dataset, row, drawn] = place.split(":");
      const section = document.getElementById(`d${dataset}`);
      hiddenSystems[box.checked ? "delete" : "add"](`d${dataset}:${row}`);
      all(`tr[data-series="${row}"]`, section).forEach((found) => { found.hidden = !box.checked; });
      all(`.plot .s${drawn}`, section).forEach((found) => found.classList.toggle("off", !box.checked));
    });
  };
  const showSystems = (changed) => {
    changed.forEach(showSystem);
    sections.forEach(filterChanges);
    status.textContent = `${boxes.filter((box) => box.checked).length} of ${boxes.length} systems shown`;
  };
  boxes.forEach((box) => box.addEventListener("change", () => showSystems([box])));
  [["all", true], ["none", false]].forEach(([name, checked]) => {
    document.getElementById(name)?.addEventListener("click", () => {
      boxes.forEach((box) => { box.checked = checked; });
      showSystems(boxes);
    });
  });

  // Measure and dataset.
  const measure = document.getElementById("measure");
  const showMeasure = () => {
    all("[data-measure]").forEach((block) => { block.hidden = block.dataset.measure !== measure.value; });
  };
  measure.addEventListener("change", () => {
    showMeasure();
    status.textContent = `Measure ${measure.value} shown`;
  });
  const dataset = document.getElementById("dataset");
  dataset?.addEventListener("change", () => {
    sections.forEach((section) => { section.hidden = dataset.value !== "" && section.id !== dataset.value; });
    status.textContent = `${dataset.selectedOptions[0].textContent} shown`;
  });

  // A mark's values in a line below its figure, for a pointer that cannot hover.
  all("figure").forEach((figure) => {
    const readout = figure.querySelector(".readout");
    readout.hidden = false;
    const read = (event) => {
      const title = event.target.closest("g")?.querySelector(":scope > title");
      if (title) readout.textContent = title.textContent;
    };
    figure.addEventListener("pointerover", read);
    figure.addEventListener("click", read);
  });

  // On paper nothing can be opened.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    closed.forEach((entry) => { entry.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((entry) => { entry.open = false; }));

  document.querySelector(".controls").hidden = false;
  showMeasure();
})();
