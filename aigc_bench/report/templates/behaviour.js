(() => {
  "use strict";
  const root = document.documentElement;
  const color = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const paint = (value) => {
    if (typeof value === "string") return value.startsWith("@") ? color(value.slice(1)) : value;
    return Array.isArray(value) ? value.map(paint) : value;
  };
  const resolve = (node, key) => {
    if (key && /color$/i.test(key)) return paint(node);
    if (Array.isArray(node)) return typeof node[0] === "object" ? node.map((child) => resolve(child)) : node;
    if (node && typeof node === "object") return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, resolve(child, name)]));
    return node;
  };
  const axisStyle = () => ({
    gridcolor: color("grid"), linecolor: color("line"), zerolinecolor: color("line"), tickcolor: color("line"),
    tickfont: { size: 11.5, color: color("muted") }, automargin: true, ticks: "", fixedrange: false,
  });
  const deepen = (style, axis) => ({ ...style, ...axis, title: { standoff: 8, font: { size: 11.5, color: color("muted") }, ...(axis.title || {}) } });

  const labelAbove = (data, out) => {
    const labels = [...new Set(data.flatMap((trace) => trace.y))];
    const shift = out.barmode ? 11 : 6;
    const place = { xref: "paper", x: 0, xanchor: "left", yref: "y", yanchor: "bottom", yshift: shift, showarrow: false };
    out.yaxis.showticklabels = false;
    out.annotations = [...(out.annotations || []), ...labels.map((label) => ({ ...place, y: label, text: label, font: { size: 11 } }))];
    if (out.barmode) { out.bargap = 0.58; out.height += 12 * labels.length; }
  };

  // At most seven ticks that were chosen by hand, spread evenly, with their words.
  const thin = (axis) => {
    const every = Math.ceil(axis.tickvals.length / 7);
    const kept = (_, index) => index % every === 0;
    Object.assign(axis, { tickvals: axis.tickvals.filter(kept), ticktext: axis.ticktext.filter(kept), tickangle: 0 });
  };

  const styled = (spec, width) => {
    const { data, layout } = resolve(spec);
    const narrow = width < 460;
    const out = {
      ...layout, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("ink") },
      margin: { l: layout.bare ? 40 : 8, r: 12, t: layout.bare || layout.annotations ? 22 : 8, b: 40 },
      hoverlabel: { bgcolor: color("panel"), bordercolor: color("line"), font: { color: color("ink"), size: 12 }, align: "left" },
      legend: { orientation: "h", y: 1, yanchor: "bottom", x: 0, font: { size: 11.5 }, itemclick: false, itemdoubleclick: false },
    };
    delete out.bare;
    for (const key of Object.keys(out)) if (/^[xy]axis/.test(key)) out[key] = deepen(axisStyle(), out[key]);
    if (out.xaxis && out.xaxis.type === "log") {
      const decades = out.xaxis.range[1] - out.xaxis.range[0];
      Object.assign(out.xaxis, { dtick: decades * (narrow ? 2 : 1) > 2.6 ? 1 : "D2", exponentformat: "SI", minexponent: 3, tickangle: 0 });
    } else if (out.xaxis && narrow) out.xaxis.nticks = 6;
    if (narrow && out.xaxis && out.xaxis.tickvals) thin(out.xaxis);
    if (out.yaxis && out.yaxis.type === "category") {
      out.yaxis.tickfont = { size: 11.5, color: color("ink") };
      if (narrow) labelAbove(data, out);
    }
    return { data, layout: out };
  };

  const draw = (plot) => {
    if (plot.clientWidth === 0) return;
    const spec = JSON.parse(document.getElementById(plot.dataset.spec).textContent);
    const { data, layout } = styled(spec, plot.clientWidth);
    plot.dataset.drawn = "yes";
    plot.style.height = `${layout.height}px`;
    window.Plotly.react(plot, data, layout, { responsive: false, displayModeBar: false, displaylogo: false, scrollZoom: false });
  };
  const plots = [...document.querySelectorAll(".plot")];
  const redraw = () => plots.filter((plot) => plot.dataset.drawn).forEach(draw);
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "300px" });
  plots.forEach((plot) => watcher.observe(plot));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let pending = 0;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(pending);
    pending = setTimeout(redraw, 120);
  });
  // Before printing the page still has the width of the screen: a chart that is wider than a sheet of paper would be cut.
  const PAPER_PX = 640;
  addEventListener("beforeprint", () => {
    root.dataset.print = "yes";
    plots.filter((plot) => plot.clientWidth > PAPER_PX).forEach((plot) => { plot.style.width = `${PAPER_PX}px`; });
    plots.forEach(draw);
  });
  addEventListener("afterprint", () => {
    delete root.dataset.print;
    plots.forEach((plot) => { plot.style.width = ""; });
    redraw();
  });

  const openTarget = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    table.querySelectorAll("thead th button").forEach((button) => {
      const head = button.closest("th");
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const key = (row) => row.cells[head.cellIndex].dataset.sort ?? row.cells[head.cellIndex].textContent.trim();
        const order = (a, b) => {
          const [left, right] = [key(a), key(b)];
          if (left === "" || right === "") return left === right ? 0 : left === "" ? 1 : -1;
          const difference = Number.isNaN(Number(left)) || Number.isNaN(Number(right)) ? left.localeCompare(right) : Number(left) - Number(right);
          return descending ? -difference : difference;
        };
        [...body.rows].sort(order).forEach((row) => body.append(row));
      });
    });
  }
  for (const filter of document.querySelectorAll("input[data-filters]")) {
    const table = document.getElementById(filter.dataset.filters);
    const count = document.getElementById(filter.dataset.filters + "-count");
    filter.addEventListener("input", () => {
      const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        const words = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => words.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = wanted.length ? `${shown} of ${table.tBodies[0].rows.length} shown` : "";
    });
  }

  const panel = document.getElementById("why-panel");
  if (panel) {
    const steps = JSON.parse(document.getElementById("why-steps").textContent);
    let opener = null;
    const element = (tag, words, name) => Object.assign(document.createElement(tag), { textContent: words ?? "", className: name ?? "" });
    const close = () => {
      panel.hidden = true;
      if (opener) { opener.removeAttribute("aria-expanded"); opener.focus({ preventScroll: true }); }
      opener = null;
    };
    const link = (key, words, trail) => {
      const button = element("button", words, "step");
      button.type = "button";
      button.addEventListener("click", () => { show(key, trail); panel.querySelector("button").focus(); });
      return button;
    };
    const show = (key, trail) => {
      const step = steps[key];
      const close_ = element("button", "✕", "close");
      close_.type = "button";
      close_.setAttribute("aria-label", "Close");
      close_.addEventListener("click", close);
      panel.replaceChildren(close_);
      if (trail.length) panel.append(link(trail[trail.length - 1], "← " + steps[trail[trail.length - 1]].title, trail.slice(0, -1)));
      panel.append(element("h3", step.title[0].toUpperCase() + step.title.slice(1)), element("div", step.value, "value"));
      const list = document.createElement("dl");
      const row = (title, content) => list.append(element("dt", title), content);
      if (step.interval) row("Interval", element("dd", step.interval));
      row("Basis", element("dd", step.basis));
      if (step.formula) { const box = element("dd"); box.append(element("code", step.formula)); row("Formula", box); }
      if (step.numbers) { const box = element("dd"); box.append(element("code", step.numbers)); row("With numbers", box); }
      if (step.source) row("Source", element("dd", step.source));
      if (step.inputs) {
        const inputs = document.createElement("ul");
        for (const input of step.inputs) {
          const item = document.createElement("li");
          item.append(link(input, steps[input].title, [...trail, key]), element("span", steps[input].value));
          inputs.append(item);
        }
        const box = element("dd");
        box.append(inputs);
        row("Derived from", box);
      }
      row("Key", (() => { const box = element("dd"); box.append(element("code", key)); return box; })());
      panel.append(list);
      panel.hidden = false;
      panel.scrollTop = 0;
    };
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button.why");
      if (!button) return;
      if (opener) opener.removeAttribute("aria-expanded");
      opener = button;
      button.setAttribute("aria-expanded", "true");
      show(button.dataset.why, []);
    });
    addEventListener("keydown", (event) => { if (event.key === "Escape" && !panel.hidden) close(); });
  }
})();
